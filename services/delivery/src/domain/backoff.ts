export interface Backoff {
  /** Upper end of the first delay. */
  readonly baseMs: number;
  /** Upper end of every delay. */
  readonly maxMs: number;
}

/**
 * Milliseconds to the next attempt: exponential with full jitter, from 0 to min(maxMs, baseMs × 2^n),
 * and not before what the receiver asked for. Of the schemes compared full jitter makes the least work:
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param attempt the attempt that failed, from 1
 * @param random from 0 up to, but not, 1
 */
export function retryDelayMs(
  attempt: number,
  { baseMs, maxMs }: Backoff,
  random: number,
  askedMs = 0,
): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return askedMs + Math.floor(random * ceiling);
}
