import { LanekeeperError } from "@lanekeeper/rpc";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import type { NameFound } from "../store/names/read-names.ts";
import type { NewBinding } from "../store/batch/write-batch.ts";
import type { Binding } from "./binding.ts";
import { type NamePlan, scopeOf } from "./plan.ts";
import type { Tenant } from "./tenant.ts";

/** An agent that is configured opens new names, under rules that are not newer than this replica's. */
export function checkMayBind(key: CanonicalKey, tenant: Tenant, ruleSetVersion: number): void {
  const agentId = agentOf(key);
  if (!tenant.policies.has(agentId)) {
    throw new LanekeeperError("UNKNOWN_MODEL", `the tenant has no agent ${agentId}`, {
      metadata: { agent_id: agentId },
    });
  }
  checkRules(tenant, ruleSetVersion);
}

/** What an older replica reads a name as is not what it means by now. */
export function checkRules(tenant: Tenant, ruleSetVersion: number): void {
  if (tenant.ruleSetVersion <= ruleSetVersion) return;
  const rules = `rule set ${tenant.ruleSetVersion} is in force, this replica knows ${ruleSetVersion}`;
  throw new LanekeeperError("STORE_UNAVAILABLE", `${rules}; another replica binds new names`, {
    metadata: {
      rule_set_version: String(tenant.ruleSetVersion),
      known_rule_set_version: String(ruleSetVersion),
    },
  });
}

export function newBinding(
  plan: NamePlan,
  key: CanonicalKey,
  tenant: Tenant,
  source: string,
): NewBinding {
  const { wanted, name, agentId, ruleSetVersion } = plan;
  const { tenant: tenantName, kind, name: text, party } = wanted;
  const dmScope = scopeOf(tenant, agentId);
  const peer = name.kind === "peer" ? { channel: name.peer.channel, party, dmScope } : undefined;
  return {
    tenant: tenantName,
    agentId,
    kind,
    name: text,
    sessionKey: key,
    peer,
    ruleSetVersion,
    source,
  };
}

/** A canonical key that exists is its own binding: its row tells what the ledger would. */
export function bindingOf(
  { agentId, name }: NamePlan,
  found: NameFound,
  key: CanonicalKey,
): Binding {
  const { binding, key: row } = found;
  const entry = binding ?? row;
  if (entry === undefined) throw new Error("a bound name has a ledger entry or a row");
  return {
    agentId,
    name,
    sessionKey: key,
    aliasOf: row?.aliasOf ?? row?.movedTo,
    ruleSetVersion: entry.ruleSetVersion,
    source: entry.source,
    firstSeenMs: "bindMs" in entry ? entry.bindMs : entry.firstSeenMs,
    lastSeenMs: binding?.lastSeenMs ?? found.nowMs,
  };
}
