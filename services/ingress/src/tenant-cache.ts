import type { TracedWork } from "@lanekeeper/rpc";
import { type Clock, keepNewest } from "@lanekeeper/service";

/** What the cache needs. */
export interface TenantCacheOptions<T> {
  readonly clock: Clock;
  readonly maxTenants: number;
  /** Asks for who wants to know it first, in their trace. */
  readonly ask: (tenant: string, within: TracedWork | undefined) => Promise<T>;
  /** Whether what was known before is believed after this failure to ask. */
  readonly isBelievedAfter: (error: unknown) => boolean;
}

interface Entry<T> {
  readonly value: Promise<T>;
  readonly sinceMs: number;
}

/**
 * Something about each tenant, remembered for a while, so that the question is not on the path of
 * every request. Where nobody can be asked, what was known last is believed; a failure is not
 * remembered.
 */
export class TenantCache<T> {
  readonly #options: TenantCacheOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();

  constructor(options: TenantCacheOptions<T>) {
    this.#options = options;
  }

  /** Asks again where what is known is of this age. */
  get(tenant: string, maxAgeMs: number, within?: TracedWork): Promise<T> {
    const entry = this.#entries.get(tenant);
    const isFresh =
      entry !== undefined && this.#options.clock.monotonicMs() - entry.sinceMs < maxAgeMs;
    return isFresh ? entry.value : this.#ask(tenant, entry?.value, within);
  }

  /**
   * What was asked from now on, so that a change which was made before is in it. Nobody is asked sooner than `restMs`
   * after the last time: who comes before that waits for it, together with all the others.
   */
  async getNew(tenant: string, restMs: number, within?: TracedWork): Promise<T> {
    const { clock } = this.#options;
    const entry = this.#entries.get(tenant);
    const leftMs = entry === undefined ? 0 : entry.sinceMs + restMs - clock.monotonicMs();
    // A timer may be a fraction of a millisecond early.
    if (leftMs > 0) await clock.sleep(leftMs + 1);
    return this.get(tenant, restMs, within);
  }

  #ask(tenant: string, before: Promise<T> | undefined, within: TracedWork | undefined): Promise<T> {
    const { clock, ask, isBelievedAfter } = this.#options;
    const value = ask(tenant, within).catch((error: unknown) => {
      if (before !== undefined && isBelievedAfter(error)) return before;
      throw error;
    });
    const entry = { value, sinceMs: clock.monotonicMs() };
    keepNewest(this.#entries, tenant, entry, this.#options.maxTenants);
    value.catch(() => {
      if (this.#entries.get(tenant) === entry) this.#entries.delete(tenant);
    });
    return value;
  }
}
