import { Code } from "./code.ts";

/** What an HTTP caller is told in `x-should-retry`; `resume`: start again from a snapshot. */
export type ShouldRetry = "yes" | "no" | "resume";

/** How one reason travels: over gRPC, over HTTP, and whether asking again helps. */
export interface ReasonRow {
  readonly code: Code;
  readonly http: number;
  readonly shouldRetry: ShouldRetry;
  /** True where the answer is "later": the status carries RetryInfo, HTTP a Retry-After. */
  readonly retryInfo: boolean;
}

function row(code: Code, http: number, shouldRetry: ShouldRetry = "no"): ReasonRow {
  return { code, http, shouldRetry, retryInfo: false };
}

function later(code: Code, http: number): ReasonRow {
  return { code, http, shouldRetry: "yes", retryInfo: true };
}

/**
 * The one table of reasons. Its keys are the values of lanekeeper.errors.v1.ErrorReason without
 * their prefix, and a test holds the two equal.
 */
export const REASONS = {
  INVALID_REQUEST: row(Code.INVALID_ARGUMENT, 400),
  MALFORMED_KEY: row(Code.INVALID_ARGUMENT, 400),
  KEY_TOO_LONG: row(Code.INVALID_ARGUMENT, 400),
  AGENT_MISMATCH: row(Code.INVALID_ARGUMENT, 400),
  AGENT_REQUIRED: row(Code.INVALID_ARGUMENT, 400),
  UNKNOWN_MODEL: row(Code.NOT_FOUND, 404),
  NOT_FOUND: row(Code.NOT_FOUND, 404),
  UNAUTHENTICATED: row(Code.UNAUTHENTICATED, 401),
  PERMISSION_DENIED: row(Code.PERMISSION_DENIED, 403),
  RESERVED_NAMESPACE: row(Code.PERMISSION_DENIED, 403),
  PAYLOAD_TOO_LARGE: row(Code.INVALID_ARGUMENT, 413),
  UNSUPPORTED_MEDIA_TYPE: row(Code.INVALID_ARGUMENT, 415),
  STALE_GENERATION: row(Code.FAILED_PRECONDITION, 409),
  TAKEN_OVER: row(Code.FAILED_PRECONDITION, 409),
  SUPERSEDED: row(Code.FAILED_PRECONDITION, 409),
  RUN_ENDED: row(Code.FAILED_PRECONDITION, 409),
  TURN_SKIPPED: row(Code.FAILED_PRECONDITION, 409),
  TURN_INTERRUPTED: row(Code.FAILED_PRECONDITION, 409),
  TURN_CANCELLED: row(Code.FAILED_PRECONDITION, 409),
  ALIAS_CONFLICT: row(Code.FAILED_PRECONDITION, 409),
  KEY_MOVED: row(Code.FAILED_PRECONDITION, 409),
  WOULD_DEADLOCK: row(Code.FAILED_PRECONDITION, 409),
  HOP_LIMIT: row(Code.FAILED_PRECONDITION, 409),
  GENERATION_MISMATCH: row(Code.ABORTED, 409),
  SESSION_BUSY: later(Code.ABORTED, 409),
  IDEMPOTENCY_MISMATCH: row(Code.ALREADY_EXISTS, 422),
  QUEUE_FULL: later(Code.RESOURCE_EXHAUSTED, 429),
  RATE_LIMITED: later(Code.RESOURCE_EXHAUSTED, 429),
  QUOTA: later(Code.RESOURCE_EXHAUSTED, 429),
  MODEL_FAILED: row(Code.INTERNAL, 502),
  MODEL_STREAM_CUT: row(Code.INTERNAL, 502),
  MODEL_TIMEOUT: row(Code.DEADLINE_EXCEEDED, 504),
  WAIT_EXPIRED: row(Code.DEADLINE_EXCEEDED, 503, "yes"),
  QUEUE_TIMEOUT: row(Code.DEADLINE_EXCEEDED, 504),
  RESUME_TOKEN_EXPIRED: row(Code.OUT_OF_RANGE, 410, "resume"),
  SLOW_CONSUMER: row(Code.OUT_OF_RANGE, 410, "resume"),
  DRAINING: row(Code.UNAVAILABLE, 503, "yes"),
  STORE_UNAVAILABLE: row(Code.UNAVAILABLE, 503, "yes"),
  INTERNAL: row(Code.INTERNAL, 500),
} as const satisfies Record<string, ReasonRow>;

/** A reason as it stands in `ErrorInfo.reason`. */
export type Reason = keyof typeof REASONS;

/** What to do about an error of this reason. */
export function reasonRow(reason: Reason): ReasonRow {
  return REASONS[reason];
}

/** True if this text names a reason that this release knows. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(REASONS, text);
}
