import type { Clock, ClockTimer, Log } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { CredentialStore } from "./store.ts";

/** What the writer needs. */
export interface LastUseOptions {
  readonly store: Pick<CredentialStore, "markUsed">;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Pick<IngressLimits, "lastUseFlushMs" | "maxCachedCredentials">;
}

/**
 * When keys were last shown, written for all of them together once a minute: for people who look for
 * keys that nobody needs, not for deciding. What cannot be written is written with the next.
 */
export class LastUses {
  readonly #options: LastUseOptions;
  #waiting = new Map<string, Date>();
  #timer: ClockTimer | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: LastUseOptions) {
    this.#options = options;
  }

  /** Never waits and never throws. */
  note(apiKeyId: string): void {
    const { clock, limits } = this.#options;
    const isRoom = this.#waiting.size < limits.maxCachedCredentials;
    if (isRoom || this.#waiting.has(apiKeyId)) this.#waiting.set(apiKeyId, clock.now());
    this.#timer ??= clock.setTimer(limits.lastUseFlushMs, () => {
      this.#timer = undefined;
      this.#writing = this.#flush();
    });
  }

  /** Writes what waits, once. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const uses = this.#waiting;
    if (uses.size === 0) return;
    this.#waiting = new Map();
    try {
      await this.#options.store.markUsed(uses);
    } catch (err) {
      this.#options.log.warn({ err, keys: uses.size }, "the last use of keys could not be written");
      // What came meanwhile is newer.
      this.#waiting = new Map([...uses, ...this.#waiting]);
    }
  }
}
