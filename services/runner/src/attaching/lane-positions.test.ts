import { ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import type { TurnStateName } from "../domain/turn-state.ts";
import { LIMITS } from "../limits.ts";
import type { Sql } from "../store/sql.ts";
import { LanePositions } from "./lane-positions.ts";

interface Lane {
  readonly sql: Sql;
  readonly reads: () => number;
  /** So many more come to wait. */
  readonly join: (turns: number) => void;
}

/** A lane in which so many persons wait; counts how often its queue is read. */
function lane(waiting: number): Lane {
  let reads = 0;
  let queue: readonly unknown[] = [];
  const join = (turns: number): void => {
    const more = Array.from({ length: turns }, (_, index) => queued(queue.length + index));
    queue = [...queue, ...more];
  };
  join(waiting);
  const holder = { holderRunId: "run", personsServed: 0, ageMs: 5 };
  const query: unknown = async (statement: Parameters<Sql["query"]>[0]) => {
    const isQueue = typeof statement !== "string" && statement.name === "runner_read_waiting";
    if (isQueue) reads += 1;
    const rows = isQueue ? queue : [holder];
    return { rows, rowCount: rows.length, command: "SELECT" };
  };
  return { sql: { query: query as Sql["query"] }, reads: () => reads, join };
}

function queued(index: number): Record<string, unknown> {
  const waits = { turnId: `turn-${index}`, front: false, laneSeq: BigInt(index) };
  return { ...waits, isPerson: true, waitedMs: 10 };
}

test("a thousand who wait in one lane cost one look at its queue", async () => {
  const { sql, reads } = lane(1_000);
  const positions = new LanePositions({ db: sql, clock: new ManualClock() });
  const found = await Promise.all(
    Array.from({ length: 1_000 }, (_, index) => positions.of("t", "k", `turn-${index}`)),
  );
  expect(found.map((one) => one?.position)).toEqual(found.map((_, index) => index + 1));
  expect(reads()).toBe(1);
});

test("what is told ages no further than its bound, and says how long the turn has waited by now", async () => {
  const { sql, reads } = lane(2);
  const clock = new ManualClock();
  const positions = new LanePositions({ db: sql, clock });
  await positions.of("t", "k", "turn-0");
  await clock.advance(LIMITS.positionAgeMs);
  expect((await positions.of("t", "k", "turn-1"))?.waitedMs).toBe(10 + LIMITS.positionAgeMs);
  expect(reads()).toBe(1);
  await clock.advance(1);
  expect((await positions.of("t", "k", "turn-1"))?.waitedMs).toBe(10);
  expect(await positions.of("t", "other", "turn-9")).toBeUndefined();
  expect(reads()).toBe(3);
});

test("those who came after a look take the next one together, and who is gone costs one more", async () => {
  const { sql, reads, join } = lane(1);
  const positions = new LanePositions({ db: sql, clock: new ManualClock() });
  const before = (turnId: string, state: TurnStateName = "QUEUED") =>
    positions.before({ tenant: "t", sessionKey: "k", turnId, state });
  await positions.of("t", "k", "turn-0");
  join(1_000);
  expect(await positions.of("t", "k", "turn-1")).toBeUndefined();
  const found = await Promise.all(
    Array.from({ length: 1_000 }, (_, index) => before(`turn-${index + 1}`)),
  );
  expect(found).toEqual(found.map((_, index) => index + 2));
  expect(reads()).toBe(2);
  expect(await before("gone")).toBe(0);
  expect(reads()).toBe(3);
  expect(await before("turn-5", "ACTIVE")).toBe(0);
  expect(reads()).toBe(3);
});
