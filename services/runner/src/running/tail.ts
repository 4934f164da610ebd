import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import {
  type AttachTurnResponse,
  AttachTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { mergeDeltas } from "../domain/merge-deltas.ts";
import { LIMITS } from "../limits.ts";
import { stateOf, type TurnStateName } from "../domain/turn-state.ts";
import { type Followed, type FollowedState, readFollowed } from "../store/turn-events.ts";
import type { RunnerDeps } from "./deps.ts";

/** What a poll found of a turn. */
export interface TailUpdate {
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
  readonly resolve: (update: TailUpdate) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks at turns that run elsewhere, or wait: one statement for all that are followed here, each
 * 50 ms while there are any. A poll and not LISTEN: it also finds what was said before it began, and
 * costs the writers nothing.
 */
export class Tail {
  readonly #deps: Pick<RunnerDeps, "db" | "clock">;
  readonly #waiters = new Set<Waiter>();
  #timer: { cancel(): void } | undefined;
  #isPolling = false;
  #polledAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: Pick<RunnerDeps, "db" | "clock">) {
    this.#deps = deps;
  }

  /** How a turn stands, looked up at once or with the next poll; `cancel` when it is needed no more. */
  look(followed: Followed, at: "once" | "next poll"): Look {
    let cancel = (): void => undefined;
    const update = new Promise<TailUpdate>((resolve, reject) => {
      const waiter: Waiter = { ...followed, resolve, reject };
      cancel = () => this.#waiters.delete(waiter);
      this.#waiters.add(waiter);
    });
    this.#schedule(at === "once" ? 0 : LIMITS.tailPollMs);
    return { update, cancel };
  }

  #schedule(ms: number): void {
    if (this.#isPolling || (this.#timer !== undefined && ms > 0)) return;
    this.#timer?.cancel();
    const sinceMs = this.#deps.clock.monotonicMs() - this.#polledAtMs;
    const pauseMs = Math.max(ms, LIMITS.tailPauseMs - sinceMs);
    this.#timer = this.#deps.clock.setTimer(pauseMs, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    this.#timer = undefined;
    this.#isPolling = true;
    const batch = [...this.#waiters].slice(0, LIMITS.tailPollBatch);
    for (const waiter of batch) this.#waiters.delete(waiter);
    try {
      const found = await readFollowed(this.#deps.db, batch, LIMITS.tailPageRows);
      const byTurn = new Map(found.map((row) => [`${row.turnId} ${row.afterSeq}`, row]));
      for (const waiter of batch) {
        const row = byTurn.get(`${waiter.turnId} ${waiter.afterSeq}`);
        if (row === undefined) waiter.reject(new Error(`turn ${waiter.turnId} is gone`));
        else waiter.resolve(updateOf(row));
      }
    } catch (error) {
      for (const waiter of batch) waiter.reject(error);
    } finally {
      this.#isPolling = false;
      this.#polledAtMs = this.#deps.clock.monotonicMs();
      if (this.#waiters.size > 0) this.#schedule(LIMITS.tailPollMs);
    }
  }
}

function updateOf({ afterSeq, state, chunks, laneIsFree }: FollowedState): TailUpdate {
  const events = mergeDeltas(
    chunks.flatMap(decode).filter(({ streamSeq }) => streamSeq > afterSeq),
  );
  return {
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
