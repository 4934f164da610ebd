import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RateLimit as RateLimitMessage,
  RateLimitSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/rate_limit";
import { invalid } from "@lanekeeper/rpc";
import type { RateLimit } from "../rate-limits/rate-limit.ts";

const MAX_REQUESTS = 1_000_000;

/** @throws INVALID_REQUEST naming the field */
export function parseRateLimit(
  field: string,
  message: RateLimitMessage | undefined,
): RateLimit | undefined {
  if (message === undefined) return undefined;
  const { requestsPerMinute, burst } = message;
  if (requestsPerMinute < 1 || requestsPerMinute > MAX_REQUESTS) {
    throw invalid(`${field}.requests_per_minute`, `must be 1 to ${MAX_REQUESTS}`);
  }
  if (burst < 0 || burst > MAX_REQUESTS) {
    throw invalid(
      `${field}.burst`,
      `must be 1 to ${MAX_REQUESTS}, or 0 for as many as a minute has`,
    );
  }
  return { requestsPerMinute, burst: burst === 0 ? requestsPerMinute : burst };
}

export function rateLimitMessage(
  limit: RateLimit | undefined,
): MessageInitShape<typeof RateLimitSchema> | undefined {
  return limit && { requestsPerMinute: limit.requestsPerMinute, burst: limit.burst };
}
