import { type Fence, StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  type FieldViolation,
  isRetryable,
  LanekeeperError,
  type Reason,
  RpcError,
} from "@lanekeeper/rpc";
import { NEXT_STEP } from "./next-step.ts";

/**
 * A failed call, as a class by what the caller does next. `reason` is undefined where no service
 * decided the failure.
 */
export abstract class CallError extends Error {
  /** The error of the transport, with its code and typed details. */
  override readonly cause: unknown;
  readonly reason: Reason | undefined;
  /** The dynamic values of the message, such as `generation` or `turn_id`. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
    this.cause = cause;
    const refusal = cause instanceof LanekeeperError ? cause : undefined;
    this.reason = refusal?.reason;
    this.metadata = refusal?.metadata ?? {};
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

/** Open the stream again: by the last token, or, `fromSnapshot`, without one. followSessions does it. */
export class ResumeCallError extends CallError {
  override readonly name = "ResumeCallError";

  get fromSnapshot(): boolean {
    return this.reason === "RESUME_TOKEN_EXPIRED";
  }
}

/**
 * The right to write is lost, for good, or the turn was ended by somebody else: drop the work, and
 * write nothing of it anywhere. `current` is the fence that holds now, where the refusal tells it.
 */
export class FencedCallError extends CallError {
  override readonly name = "FencedCallError";

  get current(): Fence | undefined {
    return this.cause instanceof RpcError
      ? this.cause.detail(StaleFenceSchema)?.current
      : undefined;
  }
}

/** Read the current state and decide anew: what the call expected no longer holds. */
export class ConflictCallError extends CallError {
  override readonly name = "ConflictCallError";
}

/** The same request will be refused again: mend it (`fields` tells where), or the credential. */
export class RefusedCallError extends CallError {
  override readonly name = "RefusedCallError";

  get fields(): readonly FieldViolation[] {
    return this.cause instanceof LanekeeperError ? this.cause.fieldViolations : [];
  }
}

/**
 * Tell people. Either the turn failed for good (its model, its time in the queue) and only a new
 * request tries again; or it is a defect, or the caller's own end, and only asking again with the same
 * request id tells whether anything was changed.
 */
export class FailedCallError extends CallError {
  override readonly name = "FailedCallError";
}

const CLASSES = {
  retry: RetryCallError,
  resume: ResumeCallError,
  drop: FencedCallError,
  "read again": ConflictCallError,
  mend: RefusedCallError,
  report: FailedCallError,
} as const;

/** What to do about anything that a client threw. */
export function asCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (error instanceof LanekeeperError) return new CLASSES[NEXT_STEP[error.reason]](error);
  return isRetryable(error) ? new RetryCallError(error) : new FailedCallError(error);
}
