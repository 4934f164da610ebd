import type { MessageInitShape } from "@bufbuild/protobuf";
import type { IdentityClient } from "@lanekeeper/client";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { SubmitTurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { hasReason, invalid, LanekeeperError } from "@lanekeeper/rpc";
import type { AgentDirectory } from "../agents/agent-directory.ts";
import { requireAgentOf } from "../agents/require-agent-of.ts";
import type { TurnAsk } from "./turn-ask.ts";
import { callOptions, type TurnRequest } from "./turn-request.ts";

/** What finding a turn's session needs. */
export interface Finding {
  readonly identity: Pick<IdentityClient, "resolveSession">;
  readonly agents: AgentDirectory;
}

type SubmitTarget = NonNullable<MessageInitShape<typeof SubmitTurnRequestSchema>["target"]>;

/**
 * The session that the request's name leads to, else the agent that answers without one.
 * @throws what session-identity refuses with, UNKNOWN_MODEL, PERMISSION_DENIED
 */
export async function targetOf(
  deps: Finding,
  request: TurnRequest,
  ask: TurnAsk,
): Promise<SubmitTarget> {
  const { agentId, model, rawKey } = ask;
  const { caller, within } = request;
  if (rawKey === undefined) {
    if (agentId !== "") await deps.agents.require(caller, agentId, model, within);
    const value = agentId || (await deps.agents.requireDefault(caller, within));
    return { case: "statelessAgentId", value };
  }
  await requireAgentOf(deps.agents, caller, { agentId, rawKey, model }, within);
  await requireSame(deps, request, ask);
  const value = await resolve(deps, request, { agentId, rawKey, ...expectationOf(ask) });
  request.onSession(value);
  return { case: "session", value };
}

function expectationOf({ options }: TurnAsk): Pick<Question, "expected"> {
  const { expectedGeneration: generation, expectedSessionId: sessionId } = options;
  return { expected: { generation, sessionId } };
}

interface Question {
  readonly agentId: string;
  readonly rawKey: string;
  readonly lookUpOnly?: boolean;
  readonly expected?: { readonly generation: bigint; readonly sessionId: string };
}

async function resolve(
  { identity }: Finding,
  request: TurnRequest,
  { agentId, rawKey, lookUpOnly = false, expected }: Question,
): Promise<SessionRef> {
  const question = {
    agentId,
    name: { case: "rawKey", value: rawKey } as const,
    lookUpOnly,
    expectedGeneration: expected?.generation ?? 0n,
    expectedSessionId: expected?.sessionId ?? "",
  };
  const { session } = await identity.resolveSession(question, callOptions(request));
  if (session?.ref !== undefined) return session.ref;
  throw new LanekeeperError("INTERNAL", "session-identity named no session");
}

/** Looked up and not opened: a request that is refused leaves no session behind. */
async function requireSame(deps: Finding, request: TurnRequest, ask: TurnAsk): Promise<void> {
  const { agentId, rawKey = "", sameSessionAs } = ask;
  if (sameSessionAs === undefined) return;
  const other = { agentId: "", rawKey: sameSessionAs, lookUpOnly: true };
  const [named, meant] = await Promise.all([
    resolve(deps, request, { agentId, rawKey, lookUpOnly: true }).catch(unlessUnknown),
    resolve(deps, request, other).catch(unlessUnknown),
  ]);
  if (named !== undefined && named.sessionKey === meant?.sessionKey) return;
  throw invalid("previous_response_id", "is of another session than the key that was sent");
}

function unlessUnknown(error: unknown): undefined {
  if (hasReason(error, "NOT_FOUND")) return;
  throw error;
}
