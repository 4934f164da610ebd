import { isRetryable, LanekeeperError, type Reason } from "@lanekeeper/rpc";

/**
 * A failed call, as a class by what the caller does next. `cause` is the error of the transport,
 * with its code and typed details; `reason` is undefined where no service decided the failure.
 */
export abstract class CallError extends Error {
  override readonly cause: unknown;
  readonly reason: Reason | undefined;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
    this.cause = cause;
    this.reason = cause instanceof LanekeeperError ? cause.reason : undefined;
  }
}

/** Send the same request again, with the same request id, not before `afterMs` (undefined: back off). */
export class RetryCallError extends CallError {
  override readonly name = "RetryCallError";
  readonly afterMs: number | undefined;

  constructor(cause: unknown) {
    super(cause);
    this.afterMs = cause instanceof LanekeeperError ? cause.retryAfterMs : undefined;
  }
}

/** Take a new snapshot and go on from there: an expired resume token, or a reader that was too slow. */
export class ResumeCallError extends CallError {
  override readonly name = "ResumeCallError";
}

/** The right to write is lost, for good: drop the work. `cause` tells what is current. */
export class FencedCallError extends CallError {
  override readonly name = "FencedCallError";
}

/** Read the current state and decide anew: what the call expected no longer holds. */
export class ConflictCallError extends CallError {
  override readonly name = "ConflictCallError";
}

/** The same request will be refused again: mend it, or the credential. */
export class RefusedCallError extends CallError {
  override readonly name = "RefusedCallError";
}

/** A defect, or the call was cancelled: report it; whether anything was changed is not known. */
export class FailedCallError extends CallError {
  override readonly name = "FailedCallError";
}

const FENCED: ReadonlySet<Reason> = new Set([
  "STALE_GENERATION",
  "TAKEN_OVER",
  "SUPERSEDED",
  "RUN_ENDED",
  "TURN_SKIPPED",
  "TURN_INTERRUPTED",
  "TURN_CANCELLED",
]);

const CONFLICT: ReadonlySet<Reason> = new Set([
  "GENERATION_MISMATCH",
  "ALIAS_CONFLICT",
  "KEY_MOVED",
]);

const FAILED: ReadonlySet<Reason> = new Set([
  "INTERNAL",
  "MODEL_FAILED",
  "MODEL_STREAM_CUT",
  "MODEL_TIMEOUT",
  "QUEUE_TIMEOUT",
]);

/** What to do about anything that a client threw. */
export function asCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (error instanceof LanekeeperError) return byReason(error);
  if (isRetryable(error)) return new RetryCallError(error);
  return new FailedCallError(error);
}

function byReason(error: LanekeeperError): CallError {
  const { reason, row } = error;
  if (row.shouldRetry === "yes") return new RetryCallError(error);
  if (row.shouldRetry === "resume") return new ResumeCallError(error);
  if (FENCED.has(reason)) return new FencedCallError(error);
  if (CONFLICT.has(reason)) return new ConflictCallError(error);
  return FAILED.has(reason) ? new FailedCallError(error) : new RefusedCallError(error);
}
