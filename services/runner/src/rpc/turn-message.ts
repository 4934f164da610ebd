import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type {
  Disposition,
  OnConflict,
  TurnRunSchema,
  TurnSchema,
  TurnState,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { isTerminal, stateCode } from "../domain/turn-state.ts";
import type { RunRecord } from "../store/attaching/read-turn.ts";
import type { StoredTurn } from "../store/turn-row.ts";

export type TurnInit = MessageInitShape<typeof TurnSchema>;

/** A turn as it is told, with its runs. */
export function turnMessage(turn: StoredTurn, runs: readonly RunRecord[], position = 0): TurnInit {
  return {
    turnId: turn.turnId,
    sessionKey: turn.sessionKey ?? "",
    ...sessionOf(turn),
    state: stateCode(turn.state) as TurnState,
    turnClass: turn.turnClass as TurnClass,
    disposition: turn.disposition as Disposition,
    onConflict: turn.onConflict as OnConflict,
    laneSeq: turn.laneSeq,
    position,
    principal: turn.principal,
    requestId: turn.requestId,
    idempotencyKey: turn.idempotencyKey,
    traceId: turn.traceId,
    origin: turn.origin,
    routeId: turn.routeId,
    acceptTime: timestampFromDate(turn.acceptTime),
    ...(turn.endTime === undefined ? {} : { endTime: timestampFromDate(turn.endTime) }),
    errorReason: turn.errorReason,
    errorMessage: turn.errorMessage,
    intoTurnId: turn.intoTurnId ?? "",
    parentTurnId: turn.parentTurnId ?? "",
    rootTurnId: turn.rootTurnId ?? "",
    runs: runs.filter(({ turnId }) => turnId === turn.turnId).map((run) => runMessage(turn, run)),
    ...(turn.reply === undefined ? {} : { reply: turn.reply }),
    ...(isTerminal(turn.state)
      ? { usage: { inputTokens: turn.inputTokens, outputTokens: turn.outputTokens } }
      : {}),
    callChain: [...turn.callChain],
    finishReason: turn.finishReason,
    model: turn.model,
  };
}

function sessionOf(turn: StoredTurn): Pick<TurnInit, "session"> {
  if (turn.sessionKey === undefined) return {};
  return {
    session: {
      sessionKey: turn.sessionKey,
      sessionId: turn.sessionId ?? turn.admittedSessionId,
      generation: turn.generation ?? turn.admittedGeneration,
    },
  };
}

function runMessage(turn: StoredTurn, run: RunRecord): MessageInitShape<typeof TurnRunSchema> {
  const { sessionId, generation } = run;
  const { sessionKey } = turn;
  return {
    runId: run.runId,
    ...(sessionKey === undefined ? {} : { session: { sessionKey, sessionId, generation } }),
    runEpoch: run.runEpoch,
    replica: run.replica,
    startTime: timestampFromDate(run.startTime),
    ...(run.endTime === null ? {} : { endTime: timestampFromDate(run.endTime) }),
    outcome: run.outcome as RunOutcome,
    errorReason: run.errorReason,
    errorMessage: run.errorMessage,
    model: run.model,
  };
}
