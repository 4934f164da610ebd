import { z } from "zod";

/** So many requests a minute, of any kind; each replica of ingress counts for itself. */
export const rateLimit = z.strictObject({
  requests_per_minute: z.int().min(1).max(1_000_000),
  burst: z.int().min(1).max(1_000_000).optional(),
});

/** As ingress is told it. */
export function rateLimitRequest({
  requests_per_minute: requestsPerMinute,
  burst = 0,
}: z.infer<typeof rateLimit>): { readonly requestsPerMinute: number; readonly burst: number } {
  return { requestsPerMinute, burst };
}
