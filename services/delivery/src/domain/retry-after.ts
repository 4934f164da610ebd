/**
 * Milliseconds of a Retry-After header: seconds or a date (RFC 9110, 10.2.3), cut at `maxMs`.
 * Undefined: there is none, or it is neither.
 */
export function retryAfterMs(
  header: string | undefined,
  now: Date,
  maxMs: number,
): number | undefined {
  const text = header?.trim() ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(maxMs, Math.max(0, ms));
}
