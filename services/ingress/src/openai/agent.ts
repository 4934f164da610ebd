import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import type { SingleHeaderName, SingleHeaders } from "../http/single-headers.ts";
import { shownName } from "./shown-name.ts";

const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Names of the tenant's default agent. */
const DEFAULT_MODELS: readonly string[] = ["lanekeeper", "openclaw", "openclaw/default"];

/** What may stand before the id of an agent. */
const AGENT_PREFIXES = ["lanekeeper/", "agent:", "openclaw/", "openclaw:"];

const AGENT_HEADERS = ["x-agent-id", "x-openclaw-agent-id", "x-openclaw-agent"] as const;

/**
 * The agent that `model` names; empty: the tenant's default.
 * @throws UNKNOWN_MODEL for a name of another form.
 */
export function agentOfModel(model: string): string {
  if (DEFAULT_MODELS.includes(model)) return "";
  const prefix = AGENT_PREFIXES.find((one) => model.startsWith(one));
  const agent = prefix === undefined ? "" : model.slice(prefix.length);
  if (!AGENT_ID.test(agent)) throw unknownModel(model);
  return agent;
}

/** The model name that stands for an agent. */
export function modelOfAgent(agentId: string): string {
  return `lanekeeper/${agentId}`;
}

/** The tenant has no such agent, by whichever of model and header it was named. */
export function unknownAgent(agentId: string, model: string): LanekeeperError {
  return unknownModel(agentOfModel(model) === agentId ? model : modelOfAgent(agentId));
}

/** The tenant has no such agent, or the name is none of an agent. */
export function unknownModel(model: string): LanekeeperError {
  const shown = shownName(model);
  const message = `no model named ${JSON.stringify(shown)}; GET /v1/models lists them, "lanekeeper" is the default agent`;
  return new LanekeeperError("UNKNOWN_MODEL", message, {
    metadata: { model: shown },
    fieldViolations: [{ field: "model", description: "names no agent" }],
  });
}

/**
 * The agent that a request names by model or header; empty: none.
 * @throws UNKNOWN_MODEL, INVALID_REQUEST for a header that is no agent id, AGENT_MISMATCH where two
 * disagree.
 */
export function selectAgent(headers: SingleHeaders, model: string): string {
  const given = [
    { field: "model", agent: agentOfModel(model) },
    ...AGENT_HEADERS.map((name) => ({ field: name, agent: agentOfHeader(headers, name) })),
  ].filter((one) => one.agent !== "");
  const first = given[0];
  const other = given.find((one) => one.agent !== first?.agent);
  if (first !== undefined && other !== undefined) {
    const message = `${other.field} names the agent ${other.agent}, ${first.field} names ${first.agent}`;
    throw new LanekeeperError("AGENT_MISMATCH", message, {
      metadata: { field: other.field, agent_id: first.agent, other_agent_id: other.agent },
    });
  }
  return first?.agent ?? "";
}

function agentOfHeader(headers: SingleHeaders, name: SingleHeaderName): string {
  const value = headers.get(name);
  if (value === undefined) return "";
  if (!AGENT_ID.test(value)) throw invalid(name, "is no agent id ([a-z0-9][a-z0-9_-]{0,63})");
  return value;
}
