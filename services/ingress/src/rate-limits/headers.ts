import type { BucketLevel } from "./buckets.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Every header that tells of a limit; web pages may read them. */
export const RATE_LIMIT_HEADERS = [
  "ratelimit-limit",
  "ratelimit-remaining",
  "ratelimit-reset",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
] as const;

/**
 * The limit that is nearest, as the drafts of RateLimit have it (whole seconds,
 * https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06) and as OpenAI does
 * (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers).
 */
export function rateLimitHeaders({
  limit,
  remaining,
  resetMs,
}: BucketLevel): Record<(typeof RATE_LIMIT_HEADERS)[number], string> {
  const most = String(limit.burst);
  const left = String(Math.max(0, remaining));
  return {
    "ratelimit-limit": most,
    "ratelimit-remaining": left,
    "ratelimit-reset": String(ceil(resetMs / SECOND_MS)),
    "x-ratelimit-limit-requests": most,
    "x-ratelimit-remaining-requests": left,
    "x-ratelimit-reset-requests": span(resetMs),
  };
}

/** Up, but for what is rounding alone: sums of monotonic milliseconds have fractions. */
function ceil(value: number): number {
  return Math.ceil(value - 1e-6);
}

/** Such as "17ms", "1s" or "6m0s". */
function span(ms: number): string {
  const whole = ceil(ms);
  if (whole < SECOND_MS) return `${whole}ms`;
  const seconds = Math.ceil(whole / SECOND_MS) * SECOND_MS;
  const hours = Math.floor(seconds / HOUR_MS);
  const minutes = Math.floor((seconds % HOUR_MS) / MINUTE_MS);
  const parts = [
    ...(hours > 0 ? [`${hours}h`] : []),
    ...(hours > 0 || minutes > 0 ? [`${minutes}m`] : []),
    `${(seconds % MINUTE_MS) / SECOND_MS}s`,
  ];
  return parts.join("");
}
