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
export interface Limited
  extends Pick<Credential, "tenant" | "principal" | "rateLimit" | "tenantRateLimit"> {
  /** What the principal is. */
  readonly of: "key" | "account";
}

interface Bucket {
  readonly of: Limited["of"] | "tenant";
  readonly name: string;
  readonly limit: RateLimit;
}

/**
 * Counts the requests of each key, channel's account and tenant against their limits, in this replica
 * alone. Both have room, or neither is taken from: who is refused has used nothing up.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #buckets: Buckets;

  constructor({ clock, limits }: RateLimitOptions) {
    this.#clock = clock;
    this.#buckets = new Buckets(limits.maxRateBuckets);
  }

  /**
   * Gives for how many ms the request has to wait for its room, which is its own then.
   * @param withinMs for how long it can; 0: not at all
   * @throws RATE_LIMITED where that is not enough
   */
  take(limited: Limited, tell: TellHeaders, withinMs = 0): number {
    const asked = bucketsOf(limited);
    if (asked.length === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    let waitMs = 0;
    for (const { of, name, limit } of asked) {
      const level = this.#buckets.level(name, limit, nowMs, withinMs);
      waitMs = Math.max(waitMs, level.waitMs);
      if (level.waitMs <= withinMs) continue;
      tell(rateLimitHeaders(level));
      throw overLimit(of, level);
    }
    const levels = asked.map(({ name, limit }) => this.#buckets.take(name, limit, nowMs, withinMs));
    tell(rateLimitHeaders(levels.reduce(tighter)));
    return waitMs;
  }
}

function bucketsOf({ of, tenant, principal, rateLimit, tenantRateLimit }: Limited): Bucket[] {
  const buckets: Bucket[] = [];
  if (rateLimit !== undefined) {
    // Two tenants may have an account of one name, never a key.
    const name = of === "key" ? `key ${principal}` : `account ${tenant} ${principal}`;
    buckets.push({ of, name, limit: rateLimit });
  }
  if (tenantRateLimit !== undefined) {
    buckets.push({ of: "tenant", name: `tenant ${tenant}`, limit: tenantRateLimit });
  }
  return buckets;
}

function tighter(one: BucketLevel, other: BucketLevel): BucketLevel {
  return other.remaining < one.remaining ? other : one;
}

const WHOSE = { key: "the API key", account: "the channel's account", tenant: "the tenant" };

function overLimit(of: Bucket["of"], { limit, waitMs }: BucketLevel): LanekeeperError {
  const { requestsPerMinute, burst } = limit;
  const message = `${WHOSE[of]} may make ${requestsPerMinute} requests a minute, ${burst} at once`;
  const metadata = {
    limit_of: of,
    requests_per_minute: String(requestsPerMinute),
    burst: String(burst),
  };
  return later("RATE_LIMITED", message, waitMs, { metadata });
}
