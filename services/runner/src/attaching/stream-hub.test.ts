import { randomUUID } from "node:crypto";
import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { TurnSteps } from "../store/runs/turn-steps.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { counted } from "../testing/turns-at-once.ts";
import type { World } from "../testing/world.ts";
import type { StoredStream } from "./stored-stream.ts";
import { StreamHub } from "./stream-hub.ts";

const TENANT = "t1";
const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(() => world[Symbol.asyncDispose]());

let clock: ManualClock;
let hub: StreamHub;
let statements: () => number[];
beforeEach(() => {
  const { sql, sizes } = counted(world.db);
  clock = new ManualClock();
  hub = new StreamHub({ steps: new TurnSteps(sql), clock, log: captureLog().log });
  statements = () => sizes("runner_append_events");
});

const words = (value: string) => ({ case: "textDelta" as const, value });

/** The numbers of a turn's stored events, portion by portion. */
async function portions(turnId: string): Promise<string[]> {
  const { rows } = await world.db.query<{ at: string }>(
    `SELECT first_seq || '-' || last_seq AS at FROM turn_events
     WHERE tenant = $1 AND turn_id = $2 ORDER BY first_seq`,
    [TENANT, turnId],
  );
  return rows.map(({ at }) => at);
}

interface Open {
  readonly turnId: string;
  readonly stored: StoredStream;
}

function open(): Open {
  const turnId = randomUUID();
  return { turnId, stored: hub.open(TENANT, turnId) };
}

test("what many turns say within one interval is stored by one statement, however spread", async () => {
  const turns = Array.from({ length: 20 }, open);
  for (const { stored } of turns) {
    stored.stream.emit(words("said "));
    await clock.advance(1);
  }
  expect(statements()).toEqual([]);
  await clock.advance(LIMITS.streamFlushMs);
  await Promise.all(turns.map(({ stored }) => stored.settle()));
  expect(statements()).toEqual([20]);
  for (const { turnId } of turns) expect(await portions(turnId)).toEqual(["1-1"]);
});

test("no word waits longer than the interval, and who says nothing costs no statement and no timer", async () => {
  const [early, late] = [open(), open()];
  early.stored.stream.emit(words("early"));
  await clock.advance(LIMITS.streamFlushMs - 1);
  late.stored.stream.emit(words("late"));
  await clock.advance(1);
  await Promise.all([early.stored.settle(), late.stored.settle()]);
  expect(statements()).toEqual([2]);
  await clock.advance(LIMITS.streamFlushMs * 10);
  expect(statements()).toEqual([2]);
  expect(clock.waiting).toBe(0);
});

test("a large portion goes at once, and those of one turn in their order", async () => {
  const [large, small] = [open(), open()];
  small.stored.stream.emit(words("small"));
  for (let part = 0; part < 3; part += 1) {
    large.stored.stream.emit(words("x".repeat(LIMITS.streamFlushBytes)));
  }
  await large.stored.settle();
  expect(await portions(large.turnId)).toEqual(["1-1", "2-2", "3-3"]);
  expect(await portions(small.turnId)).toEqual([]);
  await clock.advance(LIMITS.streamFlushMs);
  await small.stored.settle();
  expect(await portions(small.turnId)).toEqual(["1-1"]);
});

test("what a turn that ends or is lost has not stored is left to its end", async () => {
  const [ending, lost] = [open(), open()];
  ending.stored.stream.emit(words("last words"));
  lost.stored.stream.emit(words("nobody's"));
  await ending.stored.settle();
  lost.stored.close();
  expect(clock.waiting).toBe(0);
  expect(ending.stored.stream.takePending()).toMatchObject({ firstSeq: 1n, lastSeq: 1n });
  await clock.advance(LIMITS.streamFlushMs);
  expect(statements()).toEqual([]);
});
