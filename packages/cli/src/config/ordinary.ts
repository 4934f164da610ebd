import { clone, create, equals } from "@bufbuild/protobuf";
import type { KeyPolicy } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { DmScope } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import {
  type TenantSettings,
  TenantSettingsSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import {
  type AgentConfig,
  AgentConfigSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
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
    settings === undefined || equals(TenantSettingsSchema, settings, create(TenantSettingsSchema));
  return agents.every(isOrdinaryAgent) && policies.every(isOrdinaryPolicy) && isOrdinarilyTaken;
}

/** Whatever an agent may be given besides its model: only the default's tools, and nothing else. */
function isOrdinaryAgent(agent: AgentConfig): boolean {
  const rest = clone(AgentConfigSchema, agent);
  delete rest.model;
  rest.tools = [];
  const plain = create(AgentConfigSchema, { agentId: "main" });
  const isPlain = equals(AgentConfigSchema, rest, plain);
  return isPlain && agent.tools.every((tool) => DEFAULT_TOOLS.includes(tool));
}

function isOrdinaryPolicy({ agentId, dmScope, idleAfter, dailyAt }: KeyPolicy): boolean {
  const isDefaultScope = dmScope === DmScope.UNSPECIFIED || dmScope === DmScope.PER_CHANNEL_PEER;
  return agentId === "main" && isDefaultScope && idleAfter === undefined && dailyAt === "";
}
