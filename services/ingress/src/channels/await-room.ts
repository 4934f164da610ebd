import type { Caller } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { Entrance } from "../credentials/entrance.ts";
import type { TellHeaders } from "../rate-limits/rate-limits.ts";
import { rateLimitOf } from "../rate-limits/rate-limit.ts";
import type { SettingsDirectory } from "../settings/directory.ts";
import type { TenantAccount } from "./account.ts";

/** What counting posts needs. */
export interface RoomContext {
  readonly credentials: Pick<Entrance, "count">;
  readonly settings: Pick<SettingsDirectory, "get">;
  readonly clock: Clock;
}

/**
 * Counts a post against its account's limit, and against the tenant's, which it shares with the tenant's
 * keys. Platforms give an event up after some attempts, so a burst waits for its room while the platform
 * waits for its answer; no more posts wait than there will be room for in that time.
 * @throws RATE_LIMITED where there will be none
 */
export async function awaitRoom(
  { credentials, settings, clock }: RoomContext,
  { tenant, account }: TenantAccount,
  { principal }: Pick<Caller, "principal">,
  { withinMs, tell }: { readonly withinMs: number; readonly tell: TellHeaders },
): Promise<void> {
  const { rateLimit: ofTenant } = await settings.get(tenant);
  const { requestsPerMinute, burst } = account.rateLimit ?? {};
  const ofAccount = rateLimitOf(requestsPerMinute ?? null, burst || null);
  const limits = { ofAccount, ofTenant, withinMs };
  const waitMs = credentials.count({ tenant, principal }, limits, tell);
  if (waitMs > 0) await clock.sleep(waitMs);
}
