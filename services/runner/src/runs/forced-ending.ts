import { type Ending, endingWithoutReply } from "../domain/ending.ts";
import { cancelledText, INTERRUPTED_TEXT } from "../domain/stop-text.ts";
import { storableText } from "../domain/storable-text.ts";
import { ModelError } from "../models/model-error.ts";
import type { RunnerDeps } from "../deps.ts";
import type { LocalRun } from "./local-runs.ts";
import type { AbortCause } from "./run-abort.ts";

/** The ending of a run that somebody stopped. */
export function stoppedEnding(
  cause: AbortCause & { readonly kind: "stopped" },
  seeds: boolean,
): Ending {
  const isCancelled = cause.stop === "cancelled";
  const reason = isCancelled ? "TURN_CANCELLED" : "TURN_INTERRUPTED";
  const message = isCancelled ? cancelledText(cause.note) : INTERRUPTED_TEXT;
  const state = isCancelled ? "CANCELLED" : "INTERRUPTED";
  const keepsInput = cause.stop !== "rolled_back";
  return endingWithoutReply(state, { reason, message }, { keepsInput, seeds });
}

/** The ending of a run whose model gave no answer, or that failed of itself. */
export function failedEnding(
  deps: Pick<RunnerDeps, "ids">,
  run: LocalRun,
  error: unknown,
  keep: { readonly keepsInput: boolean; readonly seeds: boolean },
): Ending {
  if (error instanceof ModelError) {
    run.log.warn({ err: error }, "the model gave no answer");
    const message = storableText(error.message);
    return endingWithoutReply("FAILED", { reason: error.reason, message }, keep);
  }
  const errorId = deps.ids.uuid();
  run.log.error({ err: error, error_id: errorId }, "a run failed of itself");
  const message = `internal error; the log tells more under error_id ${errorId}`;
  return endingWithoutReply("FAILED", { reason: "INTERNAL", message }, keep);
}
