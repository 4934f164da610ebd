import type { Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { isUnavailable } from "@lanekeeper/postgres";
import type { CancelParts } from "../lanes/cancel.ts";
import { LIMITS } from "../limits.ts";
import { ErasedConversation } from "./erased-conversation.ts";
import { isAway, nextErasures } from "./list-erasures.ts";

/**
 * Removes what the runner holds of conversations that are erased, as far as it has ended, and tells
 * session-identity when nothing is left. Every replica looks; what two find at once, one of them removes.
 */
export class Erasures {
  readonly #parts: CancelParts;
  /** Of the last look, where it did not come to the end; empty: from the oldest on. */
  #after = "";
  #stopped = false;

  constructor(parts: CancelParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** While session-identity is away nothing is removed. */
  async look(): Promise<void> {
    try {
      await this.#look();
    } catch (err) {
      if (!isAway(err)) throw err;
      this.#parts.deps.log.debug({ err }, "session-identity was not asked what is to be erased");
    }
  }

  async #look(): Promise<void> {
    for (let looked = 0; looked < LIMITS.erasuresPerLook; ) {
      const page = await nextErasures(this.#parts.deps, this.#after);
      if (page.length === 0) {
        this.#after = "";
        return;
      }
      for (const erasure of page) {
        if (this.#stopped) return;
        await this.#erase(erasure);
        this.#after = erasure.erasureId;
      }
      looked += page.length;
    }
  }

  /** One that fails does not keep the others from being looked at. */
  async #erase(erasure: Erasure): Promise<void> {
    const { log } = this.#parts.deps;
    const { tenant, erasureId: erasure_id } = erasure;
    const conversation = new ErasedConversation(this.#parts, erasure, () => this.#stopped);
    try {
      const isDone = await conversation.remove();
      const about = { tenant, erasure_id, ...conversation.removed, done: isDone };
      const isTold = conversation.hasRemoved || (erasure.settled && !isDone);
      log[isTold ? "info" : "debug"](about, "an erasure was looked at");
    } catch (err) {
      if (isUnavailable(err)) throw err;
      const about = { err, tenant, erasure_id, ...conversation.removed };
      if (isAway(err)) log.debug(about, "an erasure waits for session-identity");
      else log.error(about, "an erasure failed; it is tried again");
    }
  }
}
