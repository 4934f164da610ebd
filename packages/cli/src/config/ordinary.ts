import type { KeyPolicy } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { DmScope } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import type { TenantSettings } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { DEFAULT_TOOLS } from "./default.ts";

/**
 * Whether a tenant has nothing, or what the default configuration gives, whatever its model: the model
 * is the environment's, so a new default may replace it. Anything else an operator has made.
 */
export function isOrdinary(
  agents: readonly AgentConfig[],
  policies: readonly KeyPolicy[],
  settings: TenantSettings | undefined,
): boolean {
  const isOrdinarilyTaken =
    settings === undefined || (settings.sessionSources.length === 0 && !settings.requiresSession);
  return agents.every(isOrdinaryAgent) && policies.every(isOrdinaryPolicy) && isOrdinarilyTaken;
}

function isOrdinaryAgent({ agentId, systemPrompt, tools }: AgentConfig): boolean {
  return (
    agentId === "main" && systemPrompt === "" && tools.every((tool) => DEFAULT_TOOLS.includes(tool))
  );
}

function isOrdinaryPolicy({ agentId, dmScope, idleAfter, dailyAt }: KeyPolicy): boolean {
  const isDefaultScope = dmScope === DmScope.UNSPECIFIED || dmScope === DmScope.PER_CHANNEL_PEER;
  return agentId === "main" && isDefaultScope && idleAfter === undefined && dailyAt === "";
}
