import { hasReason, later, type LanekeeperError } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { Credential } from "../credentials/credential.ts";
import type { IngressLimits } from "../limits.ts";
import type { SettingsDirectory } from "../settings/directory.ts";
import type { TenantSettings } from "../settings/tenant-settings.ts";
import { type BucketLevel, Buckets } from "./buckets.ts";
import { rateLimitHeaders } from "./headers.ts";
import type { RateLimit } from "./rate-limit.ts";

/** What limiting needs. */
export interface RateLimitOptions {
  readonly settings: Pick<SettingsDirectory, "get">;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "maxRateBuckets">;
}

/** Told the headers that the answer is to have, also where it is a refusal. */
export type TellHeaders = (headers: Readonly<Record<string, string>>) => void;

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
  readonly #options: RateLimitOptions;
  readonly #buckets: Buckets;

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#buckets = new Buckets(options.limits.maxRateBuckets);
  }

  /** @throws RATE_LIMITED */
  async take(credential: Credential, tell: TellHeaders): Promise<void> {
    const asked = await this.#bucketsOf(credential);
    if (asked.length === 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const { of, name, limit } of asked) {
      const level = this.#buckets.level(name, limit, nowMs);
      if (level.waitMs === 0) continue;
      tell(rateLimitHeaders(level));
      throw overLimit(of, level);
    }
    const levels = asked.map(({ name, limit }) => this.#buckets.take(name, limit, nowMs));
    tell(rateLimitHeaders(levels.reduce(tighter)));
  }

  async #bucketsOf({ tenant, principal, rateLimit }: Credential): Promise<Bucket[]> {
    const { keyRateLimit, rateLimit: ofTenant } = await this.#options.settings
      .get(tenant)
      .catch(unlessUnknown);
    const ofKey = rateLimit ?? keyRateLimit;
    return [
      ...(ofKey === undefined
        ? []
        : [{ of: "key" as const, name: `key ${principal}`, limit: ofKey }]),
      ...(ofTenant === undefined
        ? []
        : [{ of: "tenant" as const, name: `tenant ${tenant}`, limit: ofTenant }]),
    ];
  }
}

/** An outage of the database before the tenant's settings were ever read sets it no limit. */
function unlessUnknown(error: unknown): Pick<TenantSettings, "rateLimit" | "keyRateLimit"> {
  if (hasReason(error, "STORE_UNAVAILABLE")) return {};
  throw error;
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
