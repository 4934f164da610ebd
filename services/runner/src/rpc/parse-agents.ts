import type {
  AgentConfig,
  Compaction,
  ModelEndpoint,
  ToolLimits,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { OnConflict, Overflow } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { invalid } from "@lanekeeper/rpc";
import { parseAgentId } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import { isToolName, TOOL_NAMES } from "../tools/tool-names.ts";
import { checkMcpServers } from "./parse-mcp-servers.ts";
import { parseDuration, parseOptionalEnum, parseSpan, refuseLarger } from "./parse-field.ts";

const MODEL_NAME_BYTES = 200;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/**
 * A whole set of agents. `lanekeeper config` asks it too, before it tells anything to any service.
 * @throws INVALID_REQUEST, PAYLOAD_TOO_LARGE naming the field.
 */
export function parseAgents(agents: readonly AgentConfig[]): readonly AgentConfig[] {
  if (agents.length > LIMITS.agentsPerTenant) {
    throw invalid("agents", `has ${agents.length} agents of at most ${LIMITS.agentsPerTenant}`);
  }
  const seen = new Set<string>();
  for (const [index, agent] of agents.entries()) {
    const field = `agents[${index}]`;
    checkAgent(field, agent);
    if (seen.has(agent.agentId)) throw invalid(`${field}.agent_id`, "stands there twice");
    seen.add(agent.agentId);
  }
  return agents;
}

function checkAgent(field: string, agent: AgentConfig): void {
  if (parseAgentId(agent.agentId) === undefined)
    throw invalid(`${field}.agent_id`, "is no agent id");
  refuseLarger(
    `${field}.system_prompt`,
    Buffer.byteLength(agent.systemPrompt),
    LIMITS.systemPromptBytes,
  );
  checkModel(`${field}.model`, agent.model);
  checkTools(`${field}.tools`, agent.tools);
  parseOptionalEnum(`${field}.on_conflict`, agent.onConflict, OnConflict);
  within(`${field}.context_token_budget`, agent.contextTokenBudget, LIMITS.maxContextTokenBudget);
  parseOptionalEnum(`${field}.overflow`, agent.overflow, Overflow);
  parseSpan(`${field}.debounce`, agent.debounce, LIMITS.maxDebounceMs);
  parseSpan(`${field}.busy_hint_after`, agent.busyHintAfter, LIMITS.maxBusyHintMs);
  parseRunBound(`${field}.max_concurrent_runs`, agent.maxConcurrentRuns);
  within(`${field}.max_waiting_turns`, agent.maxWaitingTurns, LIMITS.maxWaitingTurnsPerLane);
  const { nestedTurnsPerRequest } = agent;
  within(
    `${field}.nested_turns_per_request`,
    nestedTurnsPerRequest,
    LIMITS.maxNestedTurnsPerRequest,
  );
  parseSpan(`${field}.model_silence_timeout`, agent.modelSilenceTimeout, LIMITS.maxModelSilenceMs);
  checkMcpServers(`${field}.mcp_servers`, agent.mcpServers);
  checkCompaction(`${field}.compaction`, agent.compaction);
  checkToolLimits(`${field}.tool_limits`, agent.toolLimits);
}

function checkToolLimits(field: string, limits: ToolLimits | undefined): void {
  if (limits === undefined) return;
  const ms = parseDuration(`${field}.timeout`, limits.timeout);
  if (ms !== undefined) between(`${field}.timeout`, ms, LIMITS.minToolMs, LIMITS.maxToolMs);
  const { outputBytes, stepsPerTurn } = limits;
  const { minToolOutputBytes, maxToolOutputBytes } = LIMITS;
  if (outputBytes !== 0) {
    between(`${field}.output_bytes`, outputBytes, minToolOutputBytes, maxToolOutputBytes);
  }
  within(`${field}.steps_per_turn`, stepsPerTurn, LIMITS.maxToolStepsPerTurn);
}

function between(field: string, value: number, min: number, max: number): void {
  if (value < min || value > max) throw invalid(field, `is not within ${min}..${max}`);
}

function checkCompaction(field: string, compaction: Compaction | undefined): void {
  const percent = compaction?.atPercent ?? 0;
  const { minCompactAtPercent: min, maxCompactAtPercent: max } = LIMITS;
  if (percent !== 0) between(`${field}.at_percent`, percent, min, max);
}

/** Turns that run at once; 0: no bound. */
export function parseRunBound(field: string, value: number): number {
  within(field, value, LIMITS.maxConcurrentRuns);
  return value;
}

function checkModel(field: string, model: ModelEndpoint | undefined): void {
  const provider = model?.provider;
  if (provider?.case === undefined) throw invalid(field, "is required");
  if (provider.case === "scripted") return;
  const { baseUrl, model: name, apiKeyEnv } = provider.value;
  const protocol = URL.canParse(baseUrl) ? new URL(baseUrl).protocol : "";
  if (!["http:", "https:"].includes(protocol))
    throw invalid(`${field}.base_url`, "is no http or https URL");
  if (name === "" || Buffer.byteLength(name) > MODEL_NAME_BYTES) {
    throw invalid(`${field}.model`, `is not of 1..${MODEL_NAME_BYTES} bytes`);
  }
  if (apiKeyEnv !== "" && !ENV_NAME.test(apiKeyEnv)) {
    throw invalid(`${field}.api_key_env`, "is no name of an environment variable");
  }
}

function checkTools(field: string, tools: readonly string[]): void {
  if (tools.length > LIMITS.toolsPerAgent)
    throw invalid(field, `has more than ${LIMITS.toolsPerAgent}`);
  for (const [index, name] of tools.entries()) {
    if (!isToolName(name)) {
      throw invalid(`${field}[${index}]`, `${name} is none of ${TOOL_NAMES.join(", ")}`);
    }
    if (tools.indexOf(name) < index) throw invalid(`${field}[${index}]`, "stands there twice");
  }
}

function within(field: string, value: number, max: number): void {
  if (value < 0 || value > max) throw invalid(field, `is not within 0..${max}`);
}
