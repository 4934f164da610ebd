import type { Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import { type CancelParts, cancelTurn } from "../lanes/cancel.ts";
import { LIMITS } from "../limits.ts";
import { eraseLanes } from "../store/erasing/erase-lanes.ts";
import type { ErasedPlace } from "../store/erasing/erased-key.ts";
import { eraseMessages, eraseSessions, eraseSummaries } from "../store/erasing/erase-sessions.ts";
import {
  erasableTurns,
  eraseTurns,
  hideInCallChains,
  openErasedTurns,
} from "../store/erasing/erase-turns.ts";
import { keysLeft } from "../store/erasing/what-is-left.ts";
import { forgetEdges } from "../store/recovery/sweep.ts";
import { ErasedTasks } from "./erased-tasks.ts";
import { inPages } from "./in-pages.ts";

const CANCELLED = "the conversation that gave the task away is erased";

/**
 * What the runner holds of one conversation that is erased: of its keys, and of those of tasks that were given away
 * in it. It is removed piece by piece; whoever dies in the middle, or comes to a turn that has not ended, leaves the
 * rest to the next look.
 */
export class ErasedConversation {
  readonly removed = { turns: 0, messages: 0, tasks: 0 };
  readonly #parts: CancelParts;
  readonly #erasure: Erasure;
  readonly #tasks: ErasedTasks;
  readonly #isStopped: () => boolean;
  #statements = 0;

  constructor(parts: CancelParts, erasure: Erasure, isStopped: () => boolean) {
    this.#parts = parts;
    this.#erasure = erasure;
    this.#tasks = new ErasedTasks(parts.deps, erasure);
    this.#isStopped = isStopped;
  }

  get hasRemoved(): boolean {
    return Object.values(this.removed).some((count) => count > 0);
  }

  /** Removes what has ended. True: nothing is left, nothing can come any more, and session-identity was told so. */
  async remove(): Promise<boolean> {
    let keys = this.#tasks.keys;
    for (let seen = 0; seen < keys.length; keys = this.#tasks.keys) {
      const fresh = keys.slice(seen);
      seen = keys.length;
      for (const key of await this.#left(fresh)) await this.#removeKey(key);
    }
    if (!this.#mayGoOn || !this.#erasure.settled) return false;
    if ((await this.#left(this.#tasks.keys)).length > 0) return false;
    await this.#end();
    return true;
  }

  get #mayGoOn(): boolean {
    return !this.#isStopped() && this.#statements < LIMITS.erasureStatements;
  }

  #left(keys: readonly string[]): Promise<string[]> {
    const { tenant } = this.#erasure;
    return inPages(keys, LIMITS.erasureKeysPage, (page) =>
      keysLeft(
        this.#parts.deps.db,
        tenant,
        page.map((key) => this.#tasks.lookedAt(key)),
      ),
    );
  }

  /** A task's turns end here too; those of the conversation itself were ended when its key was reset. */
  async #removeKey(sessionKey: string): Promise<void> {
    if (!this.#mayGoOn) return;
    const through = await this.#tasks.through(sessionKey);
    const place = { tenant: this.#erasure.tenant, sessionKey, through };
    if (mintedAtMs(sessionKey as CanonicalKey) !== undefined) await this.#cancelOpen(place);
    await this.#removeTurns(place);
    const { db } = this.#parts.deps;
    this.removed.messages += await this.#whileFull((limit) => eraseMessages(db, place, limit));
    await this.#whileFull((limit) => eraseSummaries(db, place, limit));
    await this.#whileFull((limit) => eraseSessions(db, place, limit));
  }

  async #cancelOpen(place: ErasedPlace): Promise<void> {
    const open = await openErasedTurns(this.#parts.deps.db, place, LIMITS.sweepBatch);
    for (const turnId of open) {
      if (this.#isStopped()) return;
      await cancelTurn(this.#parts, place.tenant, turnId, CANCELLED);
    }
  }

  /** Session-identity knows of the tasks that turns gave away before what tells of them goes. */
  async #removeTurns(place: ErasedPlace): Promise<void> {
    const { db } = this.#parts.deps;
    const limit = LIMITS.retentionBatch;
    const wanted = { keys: this.#tasks.keys, isUrgent: this.#erasure.settled, limit };
    while (this.#mayGoOn) {
      const turnIds = await erasableTurns(db, place, wanted);
      if (turnIds.length === 0) return;
      const found = await this.#tasks.report(turnIds);
      this.removed.tasks += found.taken + found.leftOut.length;
      if (!(await this.#removeAlone(found.leftOut))) return;
      await hideInCallChains(db, place, turnIds);
      const count = await eraseTurns(db, place, turnIds);
      this.removed.turns += count;
      this.#statements += 1;
      if (count < limit) return;
    }
  }

  /** Tasks that session-identity has no room for are known as long as the turns that gave them away are. */
  async #removeAlone(keys: readonly string[]): Promise<boolean> {
    for (const key of keys) await this.#removeKey(key);
    return (await this.#left(keys)).length === 0;
  }

  /** Gives how many rows. */
  async #whileFull(erase: (limit: number) => Promise<number>): Promise<number> {
    const limit = LIMITS.retentionBatch;
    let total = 0;
    while (this.#mayGoOn) {
      const count = await erase(limit);
      total += count;
      if (count > 0) this.#statements += 1;
      if (count < limit) break;
    }
    return total;
  }

  /** Lanes stay where somebody has come back. Nobody comes back to a task's. */
  async #end(): Promise<void> {
    const { db, identity } = this.#parts.deps;
    const { tenant, erasureId, returned } = this.#erasure;
    const keys = this.#tasks.keys.filter((key) => !returned || this.#tasks.isTask(key));
    await inPages(keys, LIMITS.erasureKeysPage, async (page) => {
      await eraseLanes(db, tenant, page);
      return [];
    });
    // Who waits for a lane is noted by its key.
    await forgetEdges(db);
    await identity.reportErasure({ erasureId, done: true }, { tenant });
  }
}
