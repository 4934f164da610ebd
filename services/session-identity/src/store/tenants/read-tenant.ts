import type { AgentId, DmScope } from "@lanekeeper/session-key";
import { type AgentPolicy, NO_POLICIES, type Tenant } from "../../names/tenant.ts";
import type { Query } from "../db.ts";
import { ms } from "../batch/values.ts";
import { POSTMASTER_START_MS } from "../moments.ts";

interface TenantRow {
  readonly start_ms: number;
  /** Null, and so the others: nobody set the tenant up. */
  readonly version: bigint | null;
  readonly default_agent_id: string;
  readonly rule_set_version: number;
  readonly apply_time: Date;
  readonly channels: string[] | null;
  readonly policies: PolicyJson[] | null;
}

interface PolicyJson {
  readonly agent_id: string;
  readonly dm_scope: string;
  readonly idle_after_ms: number | null;
  readonly daily_at: string;
  readonly time_zone: string;
}

const READ_TENANT = {
  name: "read_tenant",
  text: `
    select ${POSTMASTER_START_MS} as start_ms, t.version, t.default_agent_id, t.rule_set_version, t.apply_time,
      (select array_agg(c.channel) from tenant_channels c where c.tenant = t.tenant) as channels,
      (select jsonb_agg(to_jsonb(p)) from key_policies p
        where p.tenant = t.tenant and p.version = t.version) as policies
    from (select $1::text as tenant) w left join tenant_policies t on t.tenant = w.tenant`,
};

/** A tenant as it stands; one that nobody set up has no agents. */
export async function readTenant(query: Query, tenant: string): Promise<Tenant> {
  const { rows } = await query.query<TenantRow>(READ_TENANT, [tenant]);
  const row = rows[0];
  if (row === undefined) throw new Error("a tenant's look-up gives a row");
  const serverStartMs = row.start_ms;
  if (row.version === null) return { ...NO_POLICIES, serverStartMs };
  return {
    serverStartMs,
    version: row.version,
    defaultAgentId: row.default_agent_id === "" ? undefined : (row.default_agent_id as AgentId),
    policies: new Map((row.policies ?? []).map((policy) => [policy.agent_id, policyOf(policy)])),
    channels: new Set(row.channels ?? []),
    ruleSetVersion: row.rule_set_version,
    applyMs: ms(row.apply_time),
  };
}

function policyOf(row: PolicyJson): AgentPolicy {
  return {
    agentId: row.agent_id as AgentId,
    dmScope: row.dm_scope as DmScope,
    idleAfterMs: row.idle_after_ms ?? undefined,
    dailyAt: row.daily_at,
    timeZone: row.time_zone,
  };
}
