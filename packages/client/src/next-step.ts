import type { Reason } from "@lanekeeper/rpc";

/** What a caller does after a refusal; each has its class in call-error.ts. */
export type NextStep = "retry" | "resume" | "drop" | "read again" | "mend" | "report";

/** The one table: a new reason does not compile until somebody has said what callers do about it. */
export const NEXT_STEP: Readonly<Record<Reason, NextStep>> = {
  SESSION_BUSY: "retry",
  QUEUE_FULL: "retry",
  RATE_LIMITED: "retry",
  QUOTA: "retry",
  WAIT_EXPIRED: "retry",
  DRAINING: "retry",
  STORE_UNAVAILABLE: "retry",

  RESUME_TOKEN_EXPIRED: "resume",
  SLOW_CONSUMER: "resume",

  STALE_GENERATION: "drop",
  TAKEN_OVER: "drop",
  SUPERSEDED: "drop",
  RUN_ENDED: "drop",
  TURN_SKIPPED: "drop",
  TURN_INTERRUPTED: "drop",
  TURN_CANCELLED: "drop",

  GENERATION_MISMATCH: "read again",
  ALIAS_CONFLICT: "read again",
  KEY_MOVED: "read again",

  INVALID_REQUEST: "mend",
  MALFORMED_KEY: "mend",
  KEY_TOO_LONG: "mend",
  AGENT_MISMATCH: "mend",
  AGENT_REQUIRED: "mend",
  UNKNOWN_MODEL: "mend",
  NOT_FOUND: "mend",
  UNAUTHENTICATED: "mend",
  PERMISSION_DENIED: "mend",
  RESERVED_NAMESPACE: "mend",
  PAYLOAD_TOO_LARGE: "mend",
  UNSUPPORTED_MEDIA_TYPE: "mend",
  IDEMPOTENCY_MISMATCH: "mend",
  WOULD_DEADLOCK: "mend",
  HOP_LIMIT: "mend",

  MODEL_FAILED: "report",
  MODEL_STREAM_CUT: "report",
  MODEL_TIMEOUT: "report",
  QUEUE_TIMEOUT: "report",
  INTERNAL: "report",
};
