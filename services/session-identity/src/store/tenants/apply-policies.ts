import type { Replica } from "../../replica.ts";
import type { AgentPolicy, Tenant } from "../../names/tenant.ts";
import type { Db, Tx } from "../db.ts";
import { acceptedRow, type Asker } from "../journal/journal-rows.ts";
import { readTenant } from "./read-tenant.ts";
import { ms } from "../batch/values.ts";
import { BatchWrites } from "../batch/write-batch.ts";

export interface Policies {
  readonly defaultAgentId: string;
  readonly policies: readonly AgentPolicy[];
}

/** The tenant's row is the lock of everything that changes how its names are read. */
export async function lockTenant(tx: Tx, tenant: string): Promise<void> {
  await tx.query("select from tenant_policies where tenant = $1 for update", [tenant]);
}

/** Stores policies as a new version; equal ones change nothing. Gives the version in force. */
export function applyPolicies(
  db: Db,
  tenant: string,
  next: Policies,
  asker: Asker,
  replica: Replica,
): Promise<bigint> {
  return db.transaction(async (tx) => {
    await makeTenant(tx, tenant, asker.principal);
    await lockTenant(tx, tenant);
    const before = await readTenant(tx, tenant);
    const { version: ruleSetVersion } = replica.rules;
    if (before.ruleSetVersion >= ruleSetVersion && isSame(before, next)) return before.version;
    const version = before.version + 1n;
    await insertPolicies(tx, tenant, version, next.policies);
    const named = { ...next, ruleSetVersion };
    const nowMs = await updateTenant(tx, tenant, version, named, asker.principal);
    await journalPolicies(tx, { tenant, version, nowMs }, asker, replica);
    return version;
  });
}

async function makeTenant(tx: Tx, tenant: string, principal: string): Promise<void> {
  await tx.query(
    `insert into tenant_policies (tenant, version, default_agent_id, rule_set_version, apply_time, principal)
     values ($1, 0, '', 0, clock_timestamp(), $2) on conflict do nothing`,
    [tenant, principal],
  );
}

function isSame(before: Tenant, next: Policies): boolean {
  if (before.version === 0n) return false;
  if ((before.defaultAgentId ?? "") !== next.defaultAgentId) return false;
  if (before.policies.size !== next.policies.length) return false;
  return next.policies.every((policy) => isSamePolicy(before.policies.get(policy.agentId), policy));
}

function isSamePolicy(a: AgentPolicy | undefined, b: AgentPolicy): boolean {
  return (
    a?.dmScope === b.dmScope &&
    a.idleAfterMs === b.idleAfterMs &&
    a.dailyAt === b.dailyAt &&
    a.timeZone === b.timeZone
  );
}

async function insertPolicies(
  tx: Tx,
  tenant: string,
  version: bigint,
  policies: readonly AgentPolicy[],
): Promise<void> {
  await tx.query(
    `insert into key_policies (tenant, version, agent_id, dm_scope, idle_after_ms, daily_at, time_zone)
     select $1, $2, * from unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])`,
    [
      tenant,
      version,
      policies.map(({ agentId }) => agentId),
      policies.map(({ dmScope }) => dmScope),
      policies.map(({ idleAfterMs }) => idleAfterMs ?? null),
      policies.map(({ dailyAt }) => dailyAt),
      policies.map(({ timeZone }) => timeZone),
    ],
  );
}

/**
 * The rule set only rises: a replica that knows an older one may apply policies, and binds nothing. Gives the
 * time from which they hold.
 */
async function updateTenant(
  tx: Tx,
  tenant: string,
  version: bigint,
  next: { readonly defaultAgentId: string; readonly ruleSetVersion: number },
  principal: string,
): Promise<number> {
  const { rows } = await tx.query<{ readonly apply_time: Date }>(
    `update tenant_policies set version = $2, default_agent_id = $3,
       rule_set_version = greatest(rule_set_version, $4), apply_time = clock_timestamp(), principal = $5
     where tenant = $1 returning apply_time`,
    [tenant, version, next.defaultAgentId, next.ruleSetVersion, principal],
  );
  const [row] = rows;
  if (row === undefined) throw new Error("the tenant's row was locked before");
  return ms(row.apply_time);
}

async function journalPolicies(
  tx: Tx,
  applied: { readonly tenant: string; readonly version: bigint; readonly nowMs: number },
  asker: Asker,
  replica: Replica,
): Promise<void> {
  const { tenant, version, nowMs } = applied;
  const { version: ruleSetVersion } = replica.rules;
  const about = { tenant, sessionKey: "", nowMs, ruleSetVersion, asker };
  const writes = new BatchWrites(replica);
  writes.journal(acceptedRow(about, { operation: "apply_policies", note: `version ${version}` }));
  await writes.flush(tx);
}
