import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { PassingSet } from "@lanekeeper/collections";
import {
  type AttachTurnResponse,
  AttachTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { notFound } from "@lanekeeper/rpc";
import { mergeDeltas } from "../domain/merge-deltas.ts";
import { LIMITS } from "../limits.ts";
import { stateOf, type TurnStateName } from "../domain/turn-state.ts";
import { type Followed, type FollowedState, readFollowed } from "../store/attaching/turn-events.ts";
import type { RunnerDeps } from "../deps.ts";

/** What a poll found of a turn. */
export interface TailUpdate {
  /** Whose lane it is in; undefined: it has no session. */
  readonly sessionKey: string | undefined;
  readonly state: TurnStateName;
  readonly events: readonly AttachTurnResponse[];
  /** Its lane has no holder: somebody may claim it. */
  readonly laneIsFree: boolean;
  /** No more was stored when the state was read. */
  readonly isWhole: boolean;
}

/** A look that is under way. */
export interface Look {
  readonly update: Promise<TailUpdate>;
  cancel(): void;
}

interface Waiter extends Followed {
  /** On the monotonic clock. */
  readonly dueMs: number;
  readonly resolve: (update: TailUpdate) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks at turns that run elsewhere, or wait: one statement for all that are due, each 50 ms while
 * there are any. A poll and not LISTEN: it also finds what was said before it began, and
 * costs the writers nothing.
 */
export class Tail {
  readonly #deps: Pick<RunnerDeps, "db" | "clock">;
  readonly #waiters = new PassingSet<Waiter>();
  #timer: { readonly atMs: number; cancel(): void } | undefined;
  #isPolling = false;
  #polledAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: Pick<RunnerDeps, "db" | "clock">) {
    this.#deps = deps;
  }

  /**
   * How a turn stands, looked up at once (0) or with the last poll within this time; `cancel` when it
   * is needed no more.
   */
  look(followed: Followed, withinMs: number): Look {
    const dueMs = pollTime(this.#deps.clock.monotonicMs(), withinMs);
    let cancel = (): void => undefined;
    const update = new Promise<TailUpdate>((resolve, reject) => {
      const waiter: Waiter = { ...followed, dueMs, resolve, reject };
      const place = this.#waiters.add(waiter);
      cancel = () => this.#waiters.delete(place);
    });
    this.#schedule(dueMs);
    return { update, cancel };
  }

  #schedule(dueMs: number): void {
    const atMs = Math.max(dueMs, this.#polledAtMs + LIMITS.tailPauseMs);
    if (this.#isPolling || (this.#timer !== undefined && this.#timer.atMs <= atMs)) return;
    this.#timer?.cancel();
    const { clock } = this.#deps;
    const ms = Math.max(0, atMs - clock.monotonicMs());
    const timer = clock.setTimer(ms, () => void this.#poll());
    this.#timer = { atMs, cancel: () => timer.cancel() };
  }

  /** Those that are due, or nearly: a timer may be early by a part of a millisecond. */
  #due(): Waiter[] {
    const nowMs = this.#deps.clock.monotonicMs() + 1;
    return this.#waiters.take(({ dueMs }) => dueMs <= nowMs, LIMITS.tailPollBatch);
  }

  #scheduleNext(): void {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const waiter of this.#waiters.values()) dueMs = Math.min(dueMs, waiter.dueMs);
    if (this.#waiters.size > 0) this.#schedule(dueMs);
  }

  async #poll(): Promise<void> {
    this.#timer = undefined;
    this.#isPolling = true;
    const batch = this.#due();
    try {
      const found = await readFollowed(this.#deps.db, batch, LIMITS.tailPageRows);
      const byTurn = new Map(found.map((row) => [`${row.turnId} ${row.afterSeq}`, row]));
      for (const waiter of batch) {
        const row = byTurn.get(`${waiter.turnId} ${waiter.afterSeq}`);
        // Lost by a failover, or forgotten.
        if (row === undefined) waiter.reject(notFound("turn", waiter.turnId));
        else waiter.resolve(updateOf(row));
      }
    } catch (error) {
      for (const waiter of batch) waiter.reject(error);
    } finally {
      this.#isPolling = false;
      this.#polledAtMs = this.#deps.clock.monotonicMs();
      this.#scheduleNext();
    }
  }
}

/** All polls are on one beat, so that those who wait are looked at together. */
function pollTime(nowMs: number, withinMs: number): number {
  const beatMs = LIMITS.tailPollMs;
  return withinMs === 0 ? nowMs : Math.floor((nowMs + withinMs) / beatMs) * beatMs;
}

function updateOf(followed: FollowedState): TailUpdate {
  const { afterSeq, sessionKey, state, chunks, laneIsFree } = followed;
  const events = mergeDeltas(
    chunks.flatMap(decode).filter(({ streamSeq }) => streamSeq > afterSeq),
  );
  return {
    sessionKey: sessionKey ?? undefined,
    state: stateOf(state),
    events,
    laneIsFree,
    isWhole: chunks.length < LIMITS.tailPageRows,
  };
}

function decode(chunk: Buffer): AttachTurnResponse[] {
  const reader = new BinaryReader(chunk);
  const events: AttachTurnResponse[] = [];
  while (reader.pos < reader.len) events.push(fromBinary(AttachTurnResponseSchema, reader.bytes()));
  return events;
}
