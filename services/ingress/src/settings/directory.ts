import { isUnavailable } from "@lanekeeper/postgres";
import { storeUnavailable } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import { TenantCache } from "../tenant-cache.ts";
import type { SettingsStore } from "./store.ts";
import type { TenantSettings } from "./tenant-settings.ts";

/** What the directory needs. */
export interface SettingsSources {
  readonly store: Pick<SettingsStore, "read">;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "settingsFreshMs" | "maxCachedTenants">;
}

/**
 * Tenants' settings, remembered for a few seconds. While the database cannot be asked, what was known
 * last holds: a tenant's lanes do not change their names because a database restarts.
 */
export class SettingsDirectory {
  readonly #cache: TenantCache<TenantSettings>;
  readonly #freshMs: number;

  constructor({ store, clock, limits }: SettingsSources) {
    this.#freshMs = limits.settingsFreshMs;
    this.#cache = new TenantCache({
      clock,
      maxTenants: limits.maxCachedTenants,
      ask: (tenant) => store.read(tenant),
      isBelievedAfter: isUnavailable,
    });
  }

  /** @throws STORE_UNAVAILABLE where nothing is known and the database cannot be asked. */
  async get(tenant: string): Promise<TenantSettings> {
    try {
      return await this.#cache.get(tenant, this.#freshMs);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      throw storeUnavailable("the tenant's settings cannot be read now; ask again", error);
    }
  }
}
