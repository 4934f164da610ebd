import type { AgentId, DmScope } from "@lanekeeper/session-key";
import type { FreshnessPolicy } from "../domain/freshness.ts";

/** How one agent's keys are made and how long its sessions stay fresh. */
export interface AgentPolicy extends FreshnessPolicy {
  readonly agentId: AgentId;
  readonly dmScope: DmScope;
}

/** What names of a tenant are judged by. */
export interface Tenant {
  /** Which start of the database's server told it: after a failover a version may be of other policies. */
  readonly serverStartMs: number;
  /** Of the policies; 0 before the first were applied. */
  readonly version: bigint;
  readonly defaultAgentId: AgentId | undefined;
  readonly policies: ReadonlyMap<string, AgentPolicy>;
  /** Channels with a typed binding; grows only. */
  readonly channels: ReadonlySet<string>;
  /** The rule set of whoever applied the policies: an older replica binds no new names. */
  readonly ruleSetVersion: number;
  readonly applyMs: number;
}

export const NO_POLICIES: Omit<Tenant, "serverStartMs"> = {
  version: 0n,
  defaultAgentId: undefined,
  policies: new Map(),
  channels: new Set(),
  ruleSetVersion: 0,
  applyMs: 0,
};
