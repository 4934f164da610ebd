/**
 * Milliseconds of a Retry-After header: seconds or a date (RFC 9110, 10.2.3), cut at `maxMs`. Some servers
 * send parts of seconds. Undefined: there is none, or it is neither.
 */
export function retryAfterMs(
  header: string | undefined,
  now: Date,
  maxMs: number,
): number | undefined {
  const text = header?.trim() ?? "";
  const ms = /^\d+(\.\d+)?$/.test(text)
    ? Math.ceil(Number(text) * 1_000)
    : dateOf(text) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(maxMs, Math.max(0, ms));
}

/** Date.parse finds a date in "-5" and in "1-2" too; every HTTP-date names its month. */
function dateOf(text: string): number {
  return /[a-z]{3}/i.test(text) ? Date.parse(text) : Number.NaN;
}
