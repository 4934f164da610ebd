import type { Query } from "../db.ts";

/** A key that a command may have to make. */
export interface NewKey {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly agentId: string;
  readonly source: string;
  readonly ruleSetVersion: number;
}

/** Sql: how many the tenant of `w` holds. */
const KEYS_HELD =
  "coalesce((select sum(u.key_count) from tenant_usage u where u.tenant = w.tenant), 0)";

/**
 * In key order, like the locks that follow: two batches that make keys for each other's names would
 * otherwise wait in a circle. Keys that are there are left out before the conflict check, since that
 * check would wait for whoever changes them. Over quota nothing is made, and the command that finds
 * no row is told.
 */
const MAKE_KEYS = {
  name: "make_keys",
  text: `
    insert into session_keys (tenant, session_key, agent_id, rule_set_version, source, bind_time)
    select w.tenant, w.session_key, w.agent_id, w.rule_set_version, w.source, clock_timestamp()
    from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[])
      as w(tenant, session_key, agent_id, rule_set_version, source)
    where not exists (
        select from session_keys k where k.tenant = w.tenant and k.session_key = w.session_key)
      and ${KEYS_HELD} < $6::bigint
    order by w.tenant collate "C", w.session_key collate "C"
    on conflict do nothing
    returning tenant`,
};

/** Makes the rows that are missing, without a session. Gives the tenant of each that was made. */
export async function makeKeys(
  query: Query,
  keys: readonly NewKey[],
  maxKeysPerTenant: number,
): Promise<readonly string[]> {
  if (keys.length === 0) return [];
  const { rows } = await query.query<{ tenant: string }>(MAKE_KEYS, [
    keys.map(({ tenant }) => tenant),
    keys.map(({ sessionKey }) => sessionKey),
    keys.map(({ agentId }) => agentId),
    keys.map(({ ruleSetVersion }) => ruleSetVersion),
    keys.map(({ source }) => source),
    maxKeysPerTenant,
  ]);
  return rows.map(({ tenant }) => tenant);
}

const WITH_ROOM = {
  name: "tenants_with_room",
  text: `
    select distinct w.tenant from unnest($1::text[]) as w(tenant)
    where ${KEYS_HELD} < $2::bigint`,
};

/** Those of the tenants that may hold another key. */
export async function tenantsWithRoom(
  query: Query,
  tenants: readonly string[],
  maxKeysPerTenant: number,
): Promise<ReadonlySet<string>> {
  const { rows } = await query.query<{ tenant: string }>(WITH_ROOM, [tenants, maxKeysPerTenant]);
  return new Set(rows.map(({ tenant }) => tenant));
}
