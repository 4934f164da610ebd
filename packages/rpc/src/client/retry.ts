import { isRetryable } from "../errors/is-retryable.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { LONGEST_TIMEOUT_MS } from "../metadata/timeout.ts";
import { waited } from "./abort.ts";

/** How often and how fast a call is sent again, with the same request. */
export interface RetryPolicy {
  /** With the first one. */
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
}

/** Three more tries within about half a second: long enough to reach another replica. */
export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 4,
  initialBackoffMs: 50,
  maxBackoffMs: 1_000,
};

/**
 * The wait before the next attempt, drawn evenly from half to all of an exponential backoff, so that
 * callers which failed together do not come back together; never shorter than the peer asked for, as far as timers go.
 */
export function backoffMs(
  policy: RetryPolicy,
  failedAttempts: number,
  error?: unknown,
  random: () => number = Math.random,
): number {
  const full = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** (failedAttempts - 1));
  const asked = error instanceof LanekeeperError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(Math.min(asked, LONGEST_TIMEOUT_MS), full * (0.5 + random() / 2));
}

/**
 * Waits before the next attempt, or throws `error` where none may follow: it is not retryable, the
 * attempts are used up, or the wait would outlast the deadline.
 */
export async function beforeRetry(
  error: unknown,
  policy: RetryPolicy,
  failedAttempts: number,
  deadlineMs: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  if (!isRetryable(error) || failedAttempts >= policy.maxAttempts) throw error;
  const waitMs = backoffMs(policy, failedAttempts, error);
  if (Date.now() + waitMs >= deadlineMs) throw error;
  // Aborted: the caller sees the last failure or, at once, its own abort.
  if (!(await waited(waitMs, signals))) throw error;
}
