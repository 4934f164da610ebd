import { isUnavailable } from "@lanekeeper/postgres";
import { storeUnavailable } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { SettingsStore } from "./store.ts";
import type { TenantSettings } from "./tenant-settings.ts";

/** What the directory needs. */
export interface SettingsSources {
  readonly store: Pick<SettingsStore, "read">;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "settingsFreshMs" | "maxCachedTenants">;
}

interface Entry {
  readonly settings: Promise<TenantSettings>;
  readonly sinceMs: number;
}

/**
 * Tenants' settings, remembered for a few seconds, so that no request waits for the database because
 * of them. While it cannot be asked, what was known last holds: a tenant's lanes do not change their
 * names because a database restarts.
 */
export class SettingsDirectory {
  readonly #sources: SettingsSources;
  readonly #entries = new Map<string, Entry>();

  constructor(sources: SettingsSources) {
    this.#sources = sources;
  }

  /** @throws STORE_UNAVAILABLE where nothing is known and the database cannot be asked. */
  async get(tenant: string): Promise<TenantSettings> {
    const { clock, limits } = this.#sources;
    const entry = this.#entries.get(tenant);
    const isFresh =
      entry !== undefined && clock.monotonicMs() - entry.sinceMs < limits.settingsFreshMs;
    return isFresh ? entry.settings : this.#ask(tenant);
  }

  #ask(tenant: string): Promise<TenantSettings> {
    const { store, clock } = this.#sources;
    const before = this.#entries.get(tenant)?.settings;
    const settings = store.read(tenant).catch((error: unknown) => {
      if (!isUnavailable(error)) throw error;
      if (before !== undefined) return before;
      throw storeUnavailable("the tenant's settings cannot be read now; ask again", error);
    });
    const entry = { settings, sinceMs: clock.monotonicMs() };
    this.#remember(tenant, entry);
    settings.catch(() => {
      if (this.#entries.get(tenant) === entry) this.#entries.delete(tenant);
    });
    return settings;
  }

  /** A Map keeps the order of insertion, so the first is the one that was asked for longest ago. */
  #remember(tenant: string, entry: Entry): void {
    this.#entries.delete(tenant);
    this.#entries.set(tenant, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#sources.limits.maxCachedTenants && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
  }
}
