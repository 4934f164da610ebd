import { LIMITS } from "../../limits.ts";
import type { NewBinding } from "../batch/write-batch.ts";
import type { Query } from "../db.ts";

const READ_MAY_BIND = {
  name: "read_may_bind",
  text: `
    select exists (select from key_bindings b where b.tenant = w.tenant and b.agent_id = w.agent_id
        and b.kind = w.kind and b.name = w.name)
      or coalesce((select sum(u.binding_count) from tenant_usage u where u.tenant = w.tenant), 0) < $5::bigint
      as may_bind
    from unnest($1::text[], $2::text[], $3::text[], $4::text[])
      with ordinality as w(tenant, agent_id, kind, name, place)
    order by w.place`,
};

/**
 * Whether each name has a place in the ledger, or may be given one. Many names may lead to one key, so keys do
 * not bound them. What calls of one moment bind together may go over the bound, each by a row.
 */
export async function readMayBind(
  query: Query,
  names: readonly NewBinding[],
): Promise<readonly boolean[]> {
  if (names.length === 0) return [];
  const { rows } = await query.query<{ may_bind: boolean }>(READ_MAY_BIND, [
    names.map(({ tenant }) => tenant),
    names.map(({ agentId }) => agentId),
    names.map(({ kind }) => kind),
    names.map(({ name }) => name),
    LIMITS.maxKeysPerTenant,
  ]);
  return rows.map((row) => row.may_bind);
}
