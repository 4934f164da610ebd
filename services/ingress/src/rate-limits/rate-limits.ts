import { later, type LanekeeperError } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { Credential } from "../credentials/credential.ts";
import type { IngressLimits } from "../limits.ts";
import { type BucketLevel, Buckets } from "./buckets.ts";
import { rateLimitHeaders } from "./headers.ts";
import type { RateLimit } from "./rate-limit.ts";

/** What limiting needs. */
export interface RateLimitOptions {
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "maxRateBuckets">;
}

/** Told the headers that the answer is to have, also where it is a refusal. */
export type TellHeaders = (headers: Readonly<Record<string, string>>) => void;

/** Whose requests are counted. */
type Limited = Pick<Credential, "tenant" | "principal" | "rateLimit" | "tenantRateLimit">;

interface Bucket {
  readonly of: "key" | "tenant";
  readonly name: string;
  readonly limit: RateLimit;
}

/**
 * Counts the requests of each key and of each tenant against their limits, in this replica alone. Both
 * have room, or neither is taken from: who is refused has used nothing up.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #buckets: Buckets;

  constructor({ clock, limits }: RateLimitOptions) {
    this.#clock = clock;
    this.#buckets = new Buckets(limits.maxRateBuckets);
  }

  /** @throws RATE_LIMITED */
  take(limited: Limited, tell: TellHeaders): void {
    const asked = bucketsOf(limited);
    if (asked.length === 0) return;
    const nowMs = this.#clock.monotonicMs();
    for (const { of, name, limit } of asked) {
      const level = this.#buckets.level(name, limit, nowMs);
      if (level.waitMs === 0) continue;
      tell(rateLimitHeaders(level));
      throw overLimit(of, level);
    }
    const levels = asked.map(({ name, limit }) => this.#buckets.take(name, limit, nowMs));
    tell(rateLimitHeaders(levels.reduce(tighter)));
  }
}

function bucketsOf({ tenant, principal, rateLimit, tenantRateLimit }: Limited): Bucket[] {
  const buckets: Bucket[] = [];
  if (rateLimit !== undefined) {
    buckets.push({ of: "key", name: `key ${principal}`, limit: rateLimit });
  }
  if (tenantRateLimit !== undefined) {
    buckets.push({ of: "tenant", name: `tenant ${tenant}`, limit: tenantRateLimit });
  }
  return buckets;
}

function tighter(one: BucketLevel, other: BucketLevel): BucketLevel {
  return other.remaining < one.remaining ? other : one;
}

function overLimit(of: Bucket["of"], { limit, waitMs }: BucketLevel): LanekeeperError {
  const { requestsPerMinute, burst } = limit;
  const whose = of === "key" ? "the API key" : "the tenant";
  const message = `${whose} may make ${requestsPerMinute} requests a minute, ${burst} at once`;
  const metadata = {
    limit_of: of,
    requests_per_minute: String(requestsPerMinute),
    burst: String(burst),
  };
  return later("RATE_LIMITED", message, waitMs, { metadata });
}
