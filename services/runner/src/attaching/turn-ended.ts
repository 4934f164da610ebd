import type { MessageInitShape } from "@bufbuild/protobuf";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { TurnEndedSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Ending } from "../domain/ending.ts";
import { stateCode, type TurnStateName } from "../domain/turn-state.ts";
import type { StoredTurn } from "../store/turn-row.ts";

type TurnEnded = MessageInitShape<typeof TurnEndedSchema>;

/** What callers are told last, from the ending that was just committed. */
export function endedBy(
  turn: Pick<StoredTurn, "sessionKey">,
  run: { readonly runId: string; readonly sessionId: string; readonly generation: bigint },
  ending: Ending,
): TurnEnded {
  return {
    state: stateCode(ending.state) as TurnState,
    errorReason: ending.errorReason,
    errorMessage: ending.errorMessage,
    ...sessionOf(turn.sessionKey, run.sessionId, run.generation),
    runId: run.runId,
    ...(ending.reply === undefined ? {} : { reply: ending.reply }),
    usage: { inputTokens: ending.inputTokens, outputTokens: ending.outputTokens },
    finishReason: ending.finishReason,
    model: ending.model,
  };
}

/** The same for an end without an answer. */
export function endedAs(
  turn: Pick<StoredTurn, "sessionKey">,
  run: { readonly runId: string; readonly sessionId: string; readonly generation: bigint },
  end: {
    readonly state: TurnStateName;
    readonly errorReason: string;
    readonly errorMessage: string;
  },
): TurnEnded {
  return {
    state: stateCode(end.state) as TurnState,
    errorReason: end.errorReason,
    errorMessage: end.errorMessage,
    ...sessionOf(turn.sessionKey, run.sessionId, run.generation),
    runId: run.runId,
  };
}

/** The same from the row of a turn that has ended. */
export function endedFrom(turn: StoredTurn): TurnEnded {
  return {
    state: stateCode(turn.state) as TurnState,
    errorReason: turn.errorReason,
    errorMessage: turn.errorMessage,
    ...sessionOf(
      turn.sessionKey,
      turn.sessionId ?? turn.admittedSessionId,
      turn.generation ?? turn.admittedGeneration,
    ),
    runId: turn.runId ?? "",
    ...(turn.reply === undefined ? {} : { reply: turn.reply }),
    usage: { inputTokens: turn.inputTokens, outputTokens: turn.outputTokens },
    finishReason: turn.finishReason,
    intoTurnId: turn.intoTurnId ?? "",
    model: turn.model,
  };
}

function sessionOf(
  sessionKey: string | undefined,
  sessionId: string,
  generation: bigint,
): Pick<TurnEnded, "session"> {
  return sessionKey === undefined ? {} : { session: { sessionKey, sessionId, generation } };
}
