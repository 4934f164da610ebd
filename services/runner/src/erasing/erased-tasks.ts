import type { Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";
import { SPAWNED } from "../nested/spawn.ts";
import { tasksOfTurns } from "../store/erasing/tasks-of-turns.ts";
import { largestGenerations, type LookedAt } from "../store/erasing/what-is-left.ts";

const NO_ID = "00000000-0000-0000-0000-000000000000";

/** What was found of tasks that turns gave away. */
export interface FoundTasks {
  /** That session-identity did not know of, and does now. */
  readonly taken: number;
  /** Keys that it has no room for. */
  readonly leftOut: readonly string[];
}

/**
 * The keys of an erasure. Of a task's key all that is known here goes, since it was made for the task: session-identity
 * is told through which generation.
 */
export class ErasedTasks {
  readonly #deps: Pick<RunnerDeps, "db" | "identity">;
  readonly #erasure: Erasure;
  readonly #own: string;
  readonly #through = new Map<string, bigint>();
  /** Not in session-identity's list. */
  readonly #leftOut = new Set<string>();

  constructor(deps: Pick<RunnerDeps, "db" | "identity">, erasure: Erasure) {
    this.#deps = deps;
    this.#erasure = erasure;
    this.#own = erasure.keys[0]?.sessionKey ?? "";
    for (const { sessionKey, throughGeneration } of erasure.keys) {
      this.#through.set(sessionKey, throughGeneration);
    }
  }

  /** Those that session-identity has, the conversation's own first; what is found comes behind. */
  get keys(): readonly string[] {
    return [...this.#through.keys()].filter((key) => !this.#leftOut.has(key));
  }

  /** Somebody may have given a task's session a conversation of its own: then that is the one that is erased. */
  isTask(sessionKey: string): boolean {
    return sessionKey !== this.#own && mintedAtMs(sessionKey as CanonicalKey) !== undefined;
  }

  lookedAt(sessionKey: string): LookedAt {
    const through = this.isTask(sessionKey) ? undefined : this.#through.get(sessionKey);
    return { sessionKey, through };
  }

  /** Through which generation all under the key goes. A task's may have been compacted since it was reported. */
  async through(sessionKey: string): Promise<bigint> {
    const known = this.#through.get(sessionKey) ?? 0n;
    if (!this.isTask(sessionKey)) return known;
    const [found] = await this.#largest([sessionKey]);
    const largest = found?.throughGeneration ?? 0n;
    if (largest <= known) return known;
    if (!this.#leftOut.has(sessionKey))
      await this.#tell([{ sessionKey, throughGeneration: largest }]);
    this.#through.set(sessionKey, largest);
    return largest;
  }

  /** Tells session-identity of the tasks that these turns gave away. */
  async report(turnIds: readonly string[]): Promise<FoundTasks> {
    const { db } = this.#deps;
    const limit = LIMITS.erasureKeysPage;
    const leftOut: string[] = [];
    let taken = 0;
    for (let after = NO_ID; ; ) {
      const page = await tasksOfTurns(db, this.#erasure.tenant, turnIds, after, limit);
      const tasks = page
        .filter(({ source, sessionKey }) => source === SPAWNED && this.isTask(sessionKey))
        .map(({ sessionKey }) => sessionKey);
      const known = new Set(tasks.filter((key) => this.#leftOut.has(key)));
      const fresh = [...new Set(tasks)].filter((key) => !this.#through.has(key));
      const kept = await this.#add(fresh);
      taken += kept.size;
      leftOut.push(...known, ...fresh.filter((key) => !kept.has(key)));
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return { taken, leftOut };
      after = last.turnId;
    }
  }

  /** Gives those that session-identity has taken. */
  async #add(fresh: readonly string[]): Promise<ReadonlySet<string>> {
    if (fresh.length === 0) return new Set();
    const also = await this.#largest(fresh);
    const answered = await this.#tell(also);
    const kept = new Set(fresh.filter((key) => answered.has(key)));
    for (const { sessionKey, throughGeneration } of also) {
      this.#through.set(sessionKey, throughGeneration);
      if (!kept.has(sessionKey)) this.#leftOut.add(sessionKey);
    }
    return kept;
  }

  async #largest(keys: readonly string[]) {
    const found = await largestGenerations(this.#deps.db, this.#erasure.tenant, keys);
    return found.map(({ sessionKey, throughGeneration }) => ({
      sessionKey,
      throughGeneration: throughGeneration ?? 0n,
    }));
  }

  /** Gives the keys that are erased by now. */
  async #tell(
    also: readonly { readonly sessionKey: string; readonly throughGeneration: bigint }[],
  ): Promise<ReadonlySet<string>> {
    const { tenant, erasureId } = this.#erasure;
    const request = { erasureId, also: [...also] };
    const { erasure } = await this.#deps.identity.reportErasure(request, { tenant });
    return new Set(erasure?.keys.map(({ sessionKey }) => sessionKey));
  }
}
