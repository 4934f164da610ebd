import type { Caller, TracedWork } from "@lanekeeper/rpc";
import { normalizeRawKey } from "@lanekeeper/session-key";
import { modelOfAgent } from "../openai/agent.ts";
import type { AgentDirectory } from "./agent-directory.ts";

/** A name that is about to be resolved: a raw key, or undefined for a peer; and the agent beside it, if any. */
export interface NameOfAgent {
  readonly agentId: string;
  readonly rawKey: string | undefined;
  /** As the client wrote it, for its error. */
  readonly model?: string;
}

/**
 * Refuses a name that leads to an agent which is not there, before it is resolved: a name that is resolved opens
 * its session. It costs a look into what is remembered of the tenant.
 * @throws UNKNOWN_MODEL, PERMISSION_DENIED
 */
export async function requireAgentOf(
  agents: AgentDirectory,
  caller: Caller,
  { agentId, rawKey, model }: NameOfAgent,
  within: TracedWork | undefined,
): Promise<void> {
  const named = agentId || agentIn(rawKey);
  if (named === "") return agents.requireAnyDefault(caller.tenant, within);
  return agents.require(caller, named, model ?? modelOfAgent(named), within);
}

/** The agent that a qualified name has in it; empty: it has none, or is one that session-identity refuses. */
function agentIn(rawKey: string | undefined): string {
  if (rawKey === undefined || !/^agent:/i.test(rawKey)) return "";
  const read = normalizeRawKey({ raw: rawKey });
  return read.ok ? read.agent : "";
}
