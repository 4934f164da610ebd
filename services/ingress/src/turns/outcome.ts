import { isReason, LanekeeperError, type Reason } from "@lanekeeper/rpc";
import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

/** An accepted turn has ended without an answer. Told as it is, also where its reason is INTERNAL. */
export class TurnEndedError extends LanekeeperError {}

/** True if the turn has an answer. */
export function isAnswered(ended: TurnEnded): boolean {
  if (ended.state === TurnState.COMPLETED) return true;
  return ended.state === TurnState.COALESCED && ended.reply !== undefined;
}

const ENDINGS: ReadonlyMap<TurnState, readonly [Reason, string]> = new Map([
  [TurnState.INTERRUPTED, ["TURN_INTERRUPTED", "the turn was interrupted by a later one"]],
  [TurnState.CANCELLED, ["TURN_CANCELLED", "the turn was cancelled"]],
  [TurnState.SUPERSEDED, ["SUPERSEDED", "the turn's session was rotated under it"]],
  [TurnState.SKIPPED, ["TURN_SKIPPED", "the turn was skipped before it could start"]],
]);

/** Why a turn that has ended has no answer. */
export function endingError(ended: TurnEnded): TurnEndedError {
  const [reason, message] = ENDINGS.get(ended.state) ?? failure(ended);
  return new TurnEndedError(reason, ended.errorMessage || message, {
    metadata: {
      turn_state: stateName(ended.state),
      ...(ended.runId === "" ? {} : { run_id: ended.runId }),
    },
  });
}

/** A reason of a later release is a failure all the same. */
function failure({ errorReason }: TurnEnded): readonly [Reason, string] {
  if (isReason(errorReason)) return [errorReason, `the turn failed: ${errorReason}`];
  return ["INTERNAL", `the turn failed${errorReason === "" ? "" : `: ${errorReason}`}`];
}

function stateName(state: TurnState): string {
  const found = Object.entries(TurnState).find(([, value]) => value === state);
  return found?.[0] ?? String(state);
}
