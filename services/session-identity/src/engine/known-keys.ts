import { PassingMap } from "@lanekeeper/collections";
import type { FreshnessPolicy } from "../domain/freshness.ts";
import { hasSession, type KeyState, type StandingKey } from "../domain/key-state.ts";
import type { RunRecord } from "../domain/records.ts";
import { LIMITS } from "../limits.ts";
import { nameOf, type KeyName } from "../store/keys/lock-keys.ts";

/** A key as this replica wrote it last: so it stands, unless somebody else has changed it since. */
export interface KnownKey {
  readonly state: StandingKey;
  /** The transaction that wrote the row; another one's stands in it once somebody else has. */
  readonly xid: string;
  /** The record of the run that holds the key. */
  readonly activeRun: RunRecord | undefined;
  /** By what its freshness was judged last; undefined: it was not. */
  readonly policy: KnownPolicy | undefined;
  readonly postmasterStartMs: number;
  /** Ms since 1970; undefined: fences had not been raised. */
  readonly runIdsFromMs: number | undefined;
}

export interface KnownPolicy {
  /** Of the tenant's policies; 0: it had none. */
  readonly version: bigint;
  /** Of the key's agent. */
  readonly policy: FreshnessPolicy | undefined;
}

/**
 * A row that is older than what this replica has committed there: the database has lost that. Revisions only
 * grow, also when fences are raised, by which generations do too.
 */
export function isBefore(state: KeyState | undefined, known: KnownKey | undefined): boolean {
  if (known === undefined || state === undefined || !hasSession(state)) return false;
  const isLater = state.session.generation > known.state.session.generation;
  return !isLater && state.revision < known.state.revision;
}

/** The keys that were written last, of which there are at most `LIMITS.maxKnownKeys`. */
export class KnownKeys {
  readonly #keys = new PassingMap<string, KnownKey>();
  readonly #max: number;

  constructor(max: number = LIMITS.maxKnownKeys) {
    this.#max = max;
  }

  get size(): number {
    return this.#keys.size;
  }

  get({ tenant, sessionKey }: KeyName): KnownKey | undefined {
    return this.#keys.get(nameOf(tenant, sessionKey));
  }

  /** In the place of what was known; the key that was written longest ago is forgotten for it. */
  keep({ tenant, sessionKey }: KeyName, known: KnownKey): void {
    const name = nameOf(tenant, sessionKey);
    this.#keys.delete(name);
    this.#keys.set(name, known);
    if (this.#keys.size <= this.#max) return;
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest);
      return;
    }
  }

  forget({ tenant, sessionKey }: KeyName): void {
    this.#keys.delete(nameOf(tenant, sessionKey));
  }
}
