/** A bucket of `burst` requests that is filled evenly, so many a minute. */
export interface RateLimit {
  readonly requestsPerMinute: number;
  readonly burst: number;
}

/** As stored in two columns; without a burst, as many as a minute has. Undefined: no limit is stated. */
export function rateLimitOf(
  requestsPerMinute: number | null,
  burst: number | null,
): RateLimit | undefined {
  if (requestsPerMinute === null) return undefined;
  return { requestsPerMinute, burst: burst ?? requestsPerMinute };
}
