import { LanekeeperError } from "@lanekeeper/rpc";
import type { Clock, ClockTimer, Log } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import type { Query } from "../store/db.ts";
import {
  ALL_KEYS,
  type Change,
  changesBetween,
  pollChanges,
  readHistory,
} from "../store/feed/read-changes.ts";
import { cutOff, type History } from "./token.ts";

/** What one poll found: all that was committed between two snapshots. */
export interface Batch {
  readonly history: History;
  readonly changes: readonly Change[];
}

/** Who is told. Neither may throw. */
export interface FeedListener {
  /** Other changes than rotations are not for it; it may be told of them all the same. */
  readonly rotationsOnly: boolean;
  batch(batch: Batch): void;
  fail(error: Error): void;
}

export interface FeedParts {
  readonly query: Query;
  readonly clock: Clock;
  readonly log: Log;
  /** For each poll that found changes: how long ago the oldest of them was written. */
  readonly lagged?: (lagMs: number) => void;
}

/** After a failed poll; the database is not helped by more questions. */
const RETRY_MS = 1_000;

/**
 * One poller for all watchers of a replica, while there are any. It asks for what was committed since
 * its last snapshot: soon after a commit of this replica, otherwise at a bounded rate.
 */
export class Feed {
  readonly #parts: FeedParts;
  readonly #listeners = new Set<FeedListener>();
  /** Watchers of which some listen, and some do not yet. */
  #seats = 0;
  /** How many of those who listen want more than rotations. */
  #wantAll = 0;
  #last: History | undefined;
  #lastPollMs = 0;
  #timer: ClockTimer | undefined;
  #polling = false;
  #polled: Promise<void> = Promise.resolve();
  #nudged = false;
  #closed = false;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  /**
   * A watcher's place among those of this replica, from before its snapshot is read: that may take long, and a
   * crowd that reads costs more than one that listens.
   * @throws RATE_LIMITED
   */
  seat(): Disposable {
    if (this.#seats >= LIMITS.maxSubscribers) throw tooMany();
    this.#seats += 1;
    return {
      [Symbol.dispose]: () => {
        this.#seats -= 1;
      },
    };
  }

  /** Tells the listener of what is committed from some moment before this returns; gives an end to it. */
  async listen(listener: FeedListener): Promise<() => void> {
    const { query, clock } = this.#parts;
    if (this.#last === undefined) {
      const history = await readHistory(query);
      this.#last ??= history;
      this.#lastPollMs = clock.monotonicMs();
    }
    this.#listeners.add(listener);
    if (!listener.rotationsOnly) this.#wantAll += 1;
    this.#plan(LIMITS.watchPollMs);
    return () => this.#leave(listener);
  }

  /** A commit of this replica: there is something to see. */
  nudge(what: "changes" | "rotations"): void {
    if (this.#listeners.size === 0 || (what === "changes" && this.#rotationsOnly)) return;
    this.#nudged = true;
    if (this.#polling) return;
    const sinceMs = this.#parts.clock.monotonicMs() - this.#lastPollMs;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#plan(Math.max(0, LIMITS.watchMinPollMs - sinceMs));
  }

  /** Reads no more; resolves when it does not. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#polled;
  }

  /** Without listeners there is nothing to keep up with; the next one begins anew. */
  #leave(listener: FeedListener): void {
    if (!this.#listeners.delete(listener)) return;
    if (!listener.rotationsOnly) this.#wantAll -= 1;
    if (this.#listeners.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#last = undefined;
  }

  get #rotationsOnly(): boolean {
    return this.#wantAll === 0;
  }

  #plan(ms: number): void {
    if (this.#closed || this.#polling || this.#timer !== undefined) return;
    this.#timer = this.#parts.clock.setTimer(ms, () => {
      this.#timer = undefined;
      this.#polled = this.#poll();
    });
  }

  async #poll(): Promise<void> {
    this.#polling = true;
    this.#nudged = false;
    const waitMs = await this.#pollOnce();
    this.#polling = false;
    if (this.#listeners.size > 0) this.#plan(this.#nudged ? LIMITS.watchMinPollMs : waitMs);
  }

  /** Gives the pause until the next one. */
  async #pollOnce(): Promise<number> {
    const { query, clock, log, lagged } = this.#parts;
    const since = this.#last;
    if (since === undefined) return LIMITS.watchPollMs;
    try {
      const rotationsOnly = this.#rotationsOnly;
      const batch = await readBatch(query, since, rotationsOnly);
      if (this.#last !== since) return LIMITS.watchPollMs;
      // Somebody came meanwhile who is to be told of all that this left out.
      if (rotationsOnly && !this.#rotationsOnly) return 0;
      this.#lastPollMs = clock.monotonicMs();
      if (batch.changes.length > 0) lagged?.(lagOf(batch));
      this.#tell(since, batch);
      return LIMITS.watchPollMs;
    } catch (err) {
      log.warn({ err }, "the feed could not be read");
      return RETRY_MS;
    }
  }

  /** After a restore from backup, or an outage longer than retention, nothing can be carried on. */
  #tell(since: History, batch: Batch): void {
    this.#last = batch.history;
    const error = cutOff({ historyId: since.historyId, atMs: since.nowMs }, batch.history);
    for (const listener of [...this.#listeners]) {
      if (error === undefined) listener.batch(batch);
      else listener.fail(error);
    }
  }
}

function lagOf({ history, changes }: Batch): number {
  const oldestMs = changes.reduce((least, { writtenMs }) => Math.min(least, writtenMs), Infinity);
  return Math.max(0, history.nowMs - oldestMs);
}

/** All that was committed since, however much: a poll that finds a full page reads on to its own snapshot. */
async function readBatch(query: Query, since: History, rotationsOnly: boolean): Promise<Batch> {
  const limit = LIMITS.watchPageRows;
  const { history, changes } = await pollChanges(query, since.snapshot, { limit, rotationsOnly });
  const all = [...changes];
  for (let page = changes; page.length === limit; ) {
    const after = all.at(-1)?.changeId ?? 0n;
    const { snapshot: from } = since;
    ({ changes: page } = await changesBetween(
      query,
      ALL_KEYS,
      from,
      history.snapshot,
      after,
      limit,
    ));
    all.push(...page);
  }
  return { history, changes: all };
}

function tooMany(): LanekeeperError {
  const limit = String(LIMITS.maxSubscribers);
  return new LanekeeperError("RATE_LIMITED", `${limit} watchers are served already`, {
    metadata: { limit },
    retryAfterMs: 1_000,
  });
}
