export interface Backoff {
  /** Upper end of the first delay. */
  readonly baseMs: number;
  /** Upper end of every delay. */
  readonly maxMs: number;
}

/** A neighbour that restarts is back within seconds; 100 ms finds it soon, 10 s does not press it. */
export const DEFAULT_BACKOFF: Backoff = { baseMs: 100, maxMs: 10_000 };

/**
 * Exponential with full jitter: anywhere from 0 to min(maxMs, baseMs × 2^attempt), in milliseconds. Of
 * the schemes compared it makes the least work and contention when many callers fail at once:
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param attempt how many have failed before, less one: 0 after the first failure
 * @param random from 0 up to, but not, 1
 */
export function backoffMs(
  attempt: number,
  { baseMs, maxMs }: Backoff = DEFAULT_BACKOFF,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.max(0, attempt));
  return Math.floor(random() * ceiling);
}
