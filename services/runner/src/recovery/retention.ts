import { LIMITS } from "../limits.ts";
import { forgetChildTurns } from "../store/nested/child-turns.ts";
import { forgetDiscardedMemories, type MemoryPlace } from "../store/recovery/discarded-memories.ts";
import { forgetMessages, forgetSession, forgetTurns } from "../store/recovery/forget-session.ts";
import { forgetStateless } from "../store/recovery/forget-stateless.ts";
import { forgetNestedCounts } from "../store/nested/nested-counts.ts";
import { forgetRefused } from "../store/outbox/outbox.ts";
import {
  type PagedSession,
  pastSessions,
  type SessionPlace,
} from "../store/recovery/past-sessions.ts";
import { forgetSlots } from "../store/lanes/run-slots.ts";
import { storedBytes } from "../store/recovery/stored-bytes.ts";
import { forgetEdges, forgetEvents, forgetRequests } from "../store/recovery/sweep.ts";
import { forgetSteps } from "../store/answering/tool-steps.ts";
import type { RunnerDeps } from "../deps.ts";
import { TableWalk } from "./table-walk.ts";

type RetentionDeps = Pick<RunnerDeps, "db" | "metrics" | "keepConversationsMs">;

const NO_ID = "00000000-0000-0000-0000-000000000000";

/** Removes what is past its retention, a bounded number of rows a statement; it ends early when stopped. */
export class Retention {
  readonly #deps: RetentionDeps;
  readonly #sessions = new TableWalk<SessionPlace>({ tenant: "", sessionId: "" });
  readonly #memories = new TableWalk<MemoryPlace>({ tenant: "", turnId: NO_ID, step: 0 });
  #stopped = false;

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Conversations last: what goes by their turns for a while is gone then. */
  async sweep(): Promise<void> {
    await this.#passing();
    await this.#walk(this.#memories, (after) =>
      forgetDiscardedMemories(
        this.#deps.db,
        after,
        LIMITS.retentionWalkRows,
        LIMITS.discardedMemoriesRetentionMs,
      ),
    );
    const { keepConversationsMs: keepMs } = this.#deps;
    if (keepMs === undefined) return;
    await this.#walk(this.#sessions, (after) => this.#conversations(after, keepMs));
    await this.#whileFull((limit) => forgetStateless(this.#deps.db, keepMs, limit));
  }

  /** How much conversations take. */
  async measure(): Promise<void> {
    for (const { table, bytes } of await storedBytes(this.#deps.db)) {
      this.#deps.metrics.stored(table, bytes);
    }
  }

  async #passing(): Promise<void> {
    const { db } = this.#deps;
    const { eventsRetentionMs, idempotencyRetentionMs, childTurnsRetentionMs } = LIMITS;
    await this.#whileFull((limit) => forgetEvents(db, eventsRetentionMs, limit));
    await this.#whileFull((limit) => forgetSteps(db, eventsRetentionMs, limit));
    await this.#whileFull((limit) => forgetRequests(db, idempotencyRetentionMs, limit));
    await forgetEdges(db);
    await forgetSlots(db, LIMITS.retentionSweepMs);
    await this.#whileFull((limit) => forgetRefused(db, LIMITS.refusedRepliesRetentionMs, limit));
    await this.#whileFull((limit) => forgetChildTurns(db, childTurnsRetentionMs, limit));
    await this.#whileFull((limit) => forgetNestedCounts(db, childTurnsRetentionMs, limit));
  }

  async #conversations(after: SessionPlace, keepMs: number): Promise<PagedSession[]> {
    const page = await pastSessions(this.#deps.db, after, LIMITS.retentionWalkRows, keepMs);
    for (const session of page) if (session.mayGo) await this.#forget(session, keepMs);
    return page;
  }

  /** Whoever is stopped in the middle leaves the session, and another sweep finds it. */
  async #forget(session: PagedSession, keepMs: number): Promise<void> {
    const { db, metrics } = this.#deps;
    await this.#whileFull((limit) => forgetMessages(db, session, limit));
    await this.#whileFull((limit) => forgetTurns(db, session, limit, keepMs));
    if (this.#stopped) return;
    await forgetSession(db, session);
    metrics.forgot();
  }

  async #walk<Place>(
    walk: TableWalk<Place>,
    take: (after: Place) => Promise<readonly Place[]>,
  ): Promise<void> {
    for (let page = 0; page < LIMITS.retentionWalkPages && !this.#stopped; page += 1) {
      if (!(await walk.next(LIMITS.retentionWalkRows, take))) return;
    }
  }

  /** A batch a sweep is less than a busy installation writes between two of them. */
  async #whileFull(forget: (limit: number) => Promise<number>): Promise<void> {
    const limit = LIMITS.retentionBatch;
    while (!this.#stopped && (await forget(limit)) >= limit);
  }
}
