import type { NewTurn } from "../store/admission/new-turn.ts";
import type { StoredTurn } from "../store/turn-row.ts";

/** The turn that was just admitted, as its row stands, without reading it again. */
export function storedTurn(
  turn: NewTurn,
  row: Pick<
    StoredTurn,
    "state" | "disposition" | "laneSeq" | "acceptTime" | "seed" | "input" | "replica"
  > & {
    readonly runId: string | undefined;
  },
): StoredTurn {
  const { tenant, turnId, agentId, turnClass, onConflict, principal, requestId } = turn;
  const { idempotencyKey, traceId, traceparent, routeId, parentTurnId, callChain } = turn;
  return {
    ...EMPTY,
    ...{ tenant, turnId, agentId, turnClass, onConflict, principal, requestId },
    ...{ idempotencyKey, traceId, traceparent, routeId, parentTurnId, callChain },
    ...row,
    sessionKey: turn.session?.sessionKey,
    origin: turn.origin,
    rootTurnId: turn.rootTurnId,
    admittedSessionId: turn.session?.sessionId ?? "",
    admittedGeneration: turn.session?.generation ?? 0n,
    requiredGeneration: turn.requiredGeneration,
    parameters: JSON.parse(turn.parameters) as { readonly [name: string]: unknown },
  };
}

const EMPTY = {
  front: false,
  runCount: 0,
  preparedRunId: undefined,
  stop: undefined,
  stopNote: "",
  sessionId: undefined,
  generation: undefined,
  endTime: undefined,
  errorReason: "",
  errorMessage: "",
  intoTurnId: undefined,
  isSteered: false,
  reply: undefined,
  inputTokens: 0n,
  outputTokens: 0n,
  finishReason: "",
  model: "",
  endedStreamSeq: undefined,
} as const;
