import { type Backoff, backoffMs, DEFAULT_BACKOFF } from "./backoff.ts";
import { type Clock, systemClock } from "./clock.ts";

export interface RetryOptions {
  /** Whether another attempt may help. Everything else is thrown on at once. */
  readonly isRetryable: (error: unknown) => boolean;
  /** All attempts together, the first included. */
  readonly attempts: number;
  /** Ends the waiting; the reason is thrown. Passed on to each attempt. */
  readonly signal?: AbortSignal;
  readonly backoff?: Backoff;
  /** What the other side asked for (RetryInfo, Retry-After), in ms: waited at least, jitter comes on top. */
  readonly askedDelayMs?: (error: unknown) => number | undefined;
  /** Told before each wait. */
  readonly onRetry?: (failure: Failure) => void;
  readonly clock?: Pick<Clock, "sleep">;
  readonly random?: () => number;
}

export interface Failure {
  readonly error: unknown;
  /** 1 after the first failure. */
  readonly failures: number;
  readonly delayMs: number;
}

/** Calls `fn` until it succeeds, fails for good, has had its attempts, or the signal is aborted. */
export async function retry<T>(
  fn: (signal: AbortSignal | undefined) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { isRetryable, attempts, signal, clock = systemClock } = options;
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted();
    try {
      return await fn(signal);
    } catch (error) {
      if (failures >= attempts || signal?.aborted || !isRetryable(error)) throw error;
      const delayMs = delayAfter(error, failures, options);
      options.onRetry?.({ error, failures, delayMs });
      await clock.sleep(delayMs, signal);
    }
  }
}

function delayAfter(error: unknown, failures: number, options: RetryOptions): number {
  const { backoff = DEFAULT_BACKOFF, random, askedDelayMs } = options;
  return (askedDelayMs?.(error) ?? 0) + backoffMs(failures - 1, backoff, random);
}
