import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type {
  ApplyKeyPoliciesRequestSchema,
  KeyPolicySchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import {
  type ApplyTenantSettingsRequestSchema,
  SessionSource,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { ApplySchedulesRequestSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/schedule";
import { DmScope } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import type {
  AgentConfigSchema,
  ApplyAgentsRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { McpServerSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import { OnConflict, Overflow } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { rateLimitRequest } from "./rate-limit-schema.ts";
import type { AgentEntry, McpEntry, TenantConfig } from "./schema.ts";

/** What session-identity is told about a tenant. */
export function keyPoliciesRequest(
  tenant: TenantConfig,
): MessageInitShape<typeof ApplyKeyPoliciesRequestSchema> {
  return {
    defaultAgentId: tenant.default_agent ?? "",
    policies: Object.entries(tenant.agents).map(([id, agent]) => keyPolicy(id, agent)),
  };
}

/** What the runner is told about a tenant. */
export function agentsRequest(
  tenant: TenantConfig,
): MessageInitShape<typeof ApplyAgentsRequestSchema> {
  return {
    agents: Object.entries(tenant.agents).map(([id, agent]) => agentConfig(id, agent)),
    maxConcurrentRuns: tenant.max_concurrent_runs ?? 0,
  };
}

const SESSION_SOURCE = {
  "x-openwebui-chat-id": SessionSource.OPENWEBUI_CHAT_ID,
  "x-conversation-id": SessionSource.CONVERSATION_ID,
  prompt_cache_key: SessionSource.PROMPT_CACHE_KEY,
  user: SessionSource.USER,
} as const;

/** What ingress is told about a tenant. */
export function settingsRequest({
  sessions = {},
  ...limits
}: TenantConfig): MessageInitShape<typeof ApplyTenantSettingsRequestSchema> {
  const { from = [], required: requiresSession = false } = sessions;
  return {
    settings: {
      sessionSources: from.map((source) => SESSION_SOURCE[source]),
      requiresSession,
      ...rateLimit("rateLimit", limits.rate_limit),
      ...rateLimit("keyRateLimit", limits.key_rate_limit),
    },
  };
}

function rateLimit(name: "rateLimit" | "keyRateLimit", given: TenantConfig["rate_limit"]) {
  return given === undefined ? {} : { [name]: rateLimitRequest(given) };
}

/** What ingress is told about a tenant's clock. */
export function schedulesRequest(
  tenant: TenantConfig,
): MessageInitShape<typeof ApplySchedulesRequestSchema> {
  return {
    schedules: Object.entries(tenant.schedules ?? {}).map(([scheduleId, entry]) => ({
      scheduleId,
      agentId: entry.agent ?? tenant.default_agent ?? "",
      cron: entry.cron,
      timeZone: entry.time_zone ?? "UTC",
      message: entry.message,
      onConflict: ON_CONFLICT[entry.on_conflict ?? "enqueue"],
      routeId: entry.route ?? "",
    })),
  };
}

const DM_SCOPE = {
  main: DmScope.MAIN,
  "per-peer": DmScope.PER_PEER,
  "per-channel-peer": DmScope.PER_CHANNEL_PEER,
  "per-account-channel-peer": DmScope.PER_ACCOUNT_CHANNEL_PEER,
} as const;

const ON_CONFLICT = {
  enqueue: OnConflict.ENQUEUE,
  reject: OnConflict.REJECT,
  interrupt: OnConflict.INTERRUPT,
  rollback: OnConflict.ROLLBACK,
  coalesce: OnConflict.COALESCE,
  steer: OnConflict.STEER,
} as const;

const OVERFLOW = {
  reject_new: Overflow.REJECT_NEW,
  drop_oldest: Overflow.DROP_OLDEST,
} as const;

function keyPolicy(
  agentId: string,
  { keys = {} }: AgentEntry,
): MessageInitShape<typeof KeyPolicySchema> {
  const { dm_scope: scope, idle_after: idle, daily_at: dailyAt, time_zone: timeZone } = keys;
  return {
    agentId,
    ...(scope === undefined ? {} : { dmScope: DM_SCOPE[scope] }),
    ...(idle === undefined ? {} : { idleAfter: durationFromMs(idle) }),
    dailyAt: dailyAt ?? "",
    timeZone: timeZone ?? "",
  };
}

function agentConfig(
  agentId: string,
  agent: AgentEntry,
): MessageInitShape<typeof AgentConfigSchema> {
  const { on_conflict: onConflict, model_silence_timeout: silence } = agent;
  return {
    agentId,
    systemPrompt: agent.system_prompt ?? "",
    model: { provider: provider(agent.model) },
    tools: agent.tools ?? [],
    ...(onConflict === undefined ? {} : { onConflict: ON_CONFLICT[onConflict] }),
    contextTokenBudget: agent.context_token_budget ?? 0,
    ...(silence === undefined ? {} : { modelSilenceTimeout: durationFromMs(silence) }),
    maxWaitingTurns: agent.max_waiting_turns ?? 0,
    nestedTurnsPerRequest: agent.nested_turns_per_request ?? 0,
    mcpServers: Object.entries(agent.mcp_servers ?? {}).map(([name, entry]) => ({
      name,
      transport: transport(entry),
      tools: entry.tools ?? [],
    })),
    ...laneRules(agent),
    ...compaction(agent.compaction),
    ...toolLimits(agent.tool_limits),
  };
}

function laneRules({ overflow, debounce, busy_hint_after: hint, ...rest }: AgentEntry) {
  return {
    ...(overflow === undefined ? {} : { overflow: OVERFLOW[overflow] }),
    ...(debounce === undefined ? {} : { debounce: durationFromMs(debounce) }),
    ...(hint === undefined ? {} : { busyHintAfter: durationFromMs(hint) }),
    maxConcurrentRuns: rest.max_concurrent_runs ?? 0,
  };
}

function compaction(given: AgentEntry["compaction"]) {
  if (given === undefined) return {};
  return { compaction: given === "off" ? { off: true } : { atPercent: given.at_percent } };
}

function toolLimits(given: AgentEntry["tool_limits"]) {
  if (given === undefined) return {};
  const { timeout, output_bytes: outputBytes = 0, steps_per_turn: stepsPerTurn = 0 } = given;
  const bound = timeout === undefined ? {} : { timeout: durationFromMs(timeout) };
  return { toolLimits: { ...bound, outputBytes, stepsPerTurn } };
}

type Transport = NonNullable<MessageInitShape<typeof McpServerSchema>["transport"]>;

function transport(given: McpEntry): Transport {
  const { url, header_env: headerEnv = {}, public_only: publicOnly = false, ...program } = given;
  if (url !== undefined) return { case: "http", value: { url, headerEnv, publicOnly } };
  const { command = "", args = [], env = [], cwd = "" } = program;
  return { case: "stdio", value: { command, args, env, cwd } };
}

type Provider = NonNullable<
  NonNullable<MessageInitShape<typeof AgentConfigSchema>["model"]>["provider"]
>;

function provider(model: AgentEntry["model"]): Provider {
  if (model === "scripted") return { case: "scripted", value: {} };
  const { base_url: baseUrl, model: name, api_key_env: apiKeyEnv = "" } = model;
  const { public_only: publicOnly = false } = model;
  return { case: "openaiCompatible", value: { baseUrl, model: name, apiKeyEnv, publicOnly } };
}
