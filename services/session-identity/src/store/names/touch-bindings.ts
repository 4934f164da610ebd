import type { Query } from "../db.ts";

export interface BindingName {
  readonly tenant: string;
  readonly agentId: string;
  readonly kind: "raw" | "peer";
  readonly name: string;
}

const TOUCH_BINDINGS = {
  name: "touch_bindings",
  text: `
    update key_bindings b set last_seen_time = clock_timestamp()
    from (
      select b.tenant, b.agent_id, b.kind, b.name from key_bindings b
      join unnest($1::text[], $2::text[], $3::text[], $4::text[]) as w(tenant, agent_id, kind, name)
        on b.tenant = w.tenant and b.agent_id = w.agent_id and b.kind = w.kind and b.name = w.name
      where b.last_seen_time < clock_timestamp() - make_interval(secs => $5)
      order by b.tenant, b.agent_id, b.kind, b.name
      for update of b skip locked
    ) x
    where b.tenant = x.tenant and b.agent_id = x.agent_id and b.kind = x.kind and b.name = x.name`,
};

/** Notes that names were used, at most once an interval whichever replicas notice. */
export async function touchBindings(
  query: Query,
  names: readonly BindingName[],
  everyMs: number,
): Promise<void> {
  await query.query(TOUCH_BINDINGS, [
    names.map(({ tenant }) => tenant),
    names.map(({ agentId }) => agentId),
    names.map(({ kind }) => kind),
    names.map(({ name }) => name),
    everyMs / 1_000,
  ]);
}
