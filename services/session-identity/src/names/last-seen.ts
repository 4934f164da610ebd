import type { Log } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import type { Query } from "../store/db.ts";
import { type BindingName, touchBindings } from "../store/names/touch-bindings.ts";

/** Collects uses of names, off the path of the calls; writes those that are due. */
export class LastSeen {
  readonly #query: Query;
  readonly #log: Log;
  readonly #waiting = new Map<string, BindingName>();

  constructor(query: Query, log: Log) {
    this.#query = query;
    this.#log = log;
  }

  /** A use of a name. Most are not due, and past the bound a name waits for its next use. */
  note(name: BindingName, lastSeenMs: number, nowMs: number): void {
    if (nowMs - lastSeenMs < LIMITS.lastSeenEveryMs) return;
    if (this.#waiting.size >= LIMITS.maxLastSeenWaiting) return;
    this.#waiting.set(JSON.stringify([name.tenant, name.agentId, name.kind, name.name]), name);
  }

  /** Losing some is no harm: last_seen is for people. */
  async flush(): Promise<void> {
    const names = [...this.#waiting.values()];
    this.#waiting.clear();
    if (names.length === 0) return;
    try {
      await touchBindings(this.#query, names, LIMITS.lastSeenEveryMs);
    } catch (err) {
      this.#log.warn({ err }, "last_seen could not be written");
    }
  }
}
