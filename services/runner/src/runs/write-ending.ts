import type { Fence, RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { hasReason, LanekeeperError, isRetryable } from "@lanekeeper/rpc";
import { backoffMs } from "@lanekeeper/service";
import type { Ending } from "../domain/ending.ts";
import { RUN_ENDINGS } from "../domain/ending.ts";
import { LIMITS } from "../limits.ts";
import type { RunnerDeps } from "../deps.ts";
import { callFor, type Described, logOf } from "../turn-fields.ts";

/** What session-identity said to an ending. */
export type EndingVerdict =
  /** Recorded, now or before. */
  | "accepted"
  /** Rotated away by somebody else. */
  | "superseded"
  /** Another run has taken the key. */
  | "taken_over"
  /** The run ended before, otherwise. */
  | "ended_otherwise"
  /** The key was merged into another. */
  | "moved"
  /** It could not be asked before the signal. */
  | "unreachable";

const BACKOFF = { baseMs: 50, maxMs: 2_000 };

type Told = Pick<Ending, "errorReason" | "errorMessage" | "inputTokens" | "outputTokens">;

/** Step two of a commit: repeated until it is answered, since a repeat gets the recorded answer. */
export async function writeEnding(
  deps: Pick<RunnerDeps, "identity" | "clock" | "log">,
  fence: Fence,
  ending: Told & { readonly outcome: RunOutcome },
  turn: Described,
  giveUp?: Pick<AbortSignal, "aborted">,
): Promise<EndingVerdict> {
  const event = { case: "ended" as const, value: endedOf(ending) };
  const call = callFor(turn);
  for (let attempt = 0; ; attempt++) {
    try {
      const writer = { case: "run" as const, value: fence };
      await deps.identity.writeLifecycle({ writer, event }, call);
      return "accepted";
    } catch (error) {
      const verdict = verdictOf(error);
      if (verdict !== undefined) return verdict;
      if (giveUp?.aborted === true) return "unreachable";
      logOf(deps.log, turn, { run_id: fence.runId }).warn(
        { err: error },
        "the run's ending was not taken; trying again",
      );
    }
    await deps.clock.sleep(backoffMs(attempt, BACKOFF) + 1);
  }
}

/** The outcome that stands for an ending. */
export function outcomeOf({ state }: Pick<Ending, "state">): RunOutcome {
  return RUN_ENDINGS[state];
}

function endedOf({
  outcome,
  errorReason,
  errorMessage,
  inputTokens,
  outputTokens,
}: Told & {
  readonly outcome: RunOutcome;
}) {
  return {
    outcome,
    errorReason,
    errorMessage: errorMessage.slice(0, LIMITS.errorMessageChars),
    inputTokens,
    outputTokens,
  };
}

/** Undefined: asking again may help. */
function verdictOf(error: unknown): EndingVerdict | undefined {
  if (!(error instanceof LanekeeperError) || isRetryable(error)) return undefined;
  if (hasReason(error, "STALE_GENERATION")) return "superseded";
  if (hasReason(error, "TAKEN_OVER")) return "taken_over";
  if (hasReason(error, "KEY_MOVED")) return "moved";
  if (hasReason(error, "RUN_ENDED")) return "ended_otherwise";
  // Anything else is a defect on one side; the turn must not hang on it for ever.
  return hasReason(error, "INTERNAL") ? undefined : "ended_otherwise";
}
