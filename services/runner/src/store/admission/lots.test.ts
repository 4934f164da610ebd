import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { admit, counted, HOW, laneKeys, newTurn, TENANT } from "../../testing/turns-at-once.ts";
import type { World } from "../../testing/world.ts";
import { testWorlds } from "../../testing/test-worlds.ts";
import { type Admitted, insertLaneTurns } from "./insert-lane-turn.ts";
import { readLane } from "../lanes/lane-row.ts";
import type { LaneAdmission, NewLaneTurn } from "./new-turn.ts";
import { readQueue } from "../lanes/read-position.ts";
import { TurnSteps } from "../runs/turn-steps.ts";

const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

test("turns that wait in one lane share a statement, and stand in the order of their calls", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const [key = ""] = laneKeys(1);
  const turns = Array.from({ length: 100 }, () => newTurn(key));
  const admitted = await Promise.all(turns.map((turn) => admit(steps, turn, randomUUID())));
  expect(admitted.map((one) => [one?.laneSeq, one?.isClaimed, one?.position])).toEqual(
    turns.map((_, index) => [BigInt(index + 1), index === 0, index]),
  );
  expect(sizes("runner_insert_lots")).toEqual([64, 36]);
  expect(await readLane(world.db, TENANT, key)).toMatchObject({
    ...{ depth: 99, activeTurnId: turns[0]?.turnId },
  });
  const { order } = await readQueue(world.db, TENANT, key);
  expect(order.map(({ turnId }) => turnId)).toEqual(turns.slice(1).map(({ turnId }) => turnId));
});

test("of a lot that is larger than its lane's room the first are admitted", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const [key = ""] = laneKeys(1);
  const submit = () => admit(steps, newTurn(key), randomUUID(), { maxWaiting: 5 });
  const positions = (all: readonly (Admitted | undefined)[]) => all.map((one) => one?.position);
  expect(positions(await Promise.all(Array.from({ length: 4 }, submit)))).toEqual([0, 1, 2, 3]);
  const more = await Promise.all(Array.from({ length: 4 }, submit));
  expect(positions(more)).toEqual([4, 5, undefined, undefined]);
  expect(positions(await Promise.all([submit(), submit()]))).toEqual([undefined, undefined]);
  expect(sizes("runner_insert_lots")).toEqual([4, 4, 2]);
  expect((await readLane(world.db, TENANT, key))?.depth).toBe(5);
});

test("a repeat that comes with its request waits for no second statement", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const [key = ""] = laneKeys(1);
  const idempotencyKey = randomUUID();
  const twins = [{}, { idempotencyKey }, { idempotencyKey }, {}].map((more) =>
    admit(steps, newTurn(key, more), randomUUID()),
  );
  const places = (await Promise.all(twins)).map((one) => one?.position);
  expect(places).toEqual([0, 1, undefined, 2]);
  const repeat = await Promise.all([
    admit(steps, newTurn(key, { idempotencyKey })),
    admit(steps, newTurn(key)),
  ]);
  expect(repeat.map((one) => [one?.position, one?.laneSeq])).toEqual([
    [undefined, undefined],
    [3, 4n],
  ]);
  expect(sizes("runner_insert_lots")).toEqual([3, 2]);
});

/** A turn as any may come: of few lanes, so that most meet. */
const arrival = fc.record({
  lane: fc.constantFrom(0, 0, 0, 1, 2),
  turnClass: fc.constantFrom(1, 1, 1, 2),
  mayWait: fc.constantFrom(true, true, true, true, false),
  maxWaiting: fc.constantFrom(3, 3, 3, 3, 6, 1),
  isClaiming: fc.constantFrom(true, true, false),
  request: fc.integer({ min: 0, max: 30 }),
});

test("turns that come at once are admitted as if they had come one after another", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(arrival, { minLength: 2, maxLength: 24 }),
      fc.constantFrom([0], [0, 1], [2]),
      async (arrivals, busy) => {
        const together = await admitAll(arrivals, busy, (turns) => {
          const steps = new TurnSteps(world.db);
          return Promise.all(turns.map((one) => steps.admit(one)));
        });
        const oneByOne = await admitAll(arrivals, busy, async (turns) => {
          const answers: (Admitted | undefined)[] = [];
          for (const one of turns) answers.push((await insertLaneTurns(world.db, [one]))[0]);
          return answers;
        });
        expect(together).toEqual(oneByOne);
      },
    ),
    { numRuns: 40 },
  );
});

interface Arrival {
  readonly lane: number;
  readonly turnClass: number;
  readonly mayWait: boolean;
  readonly maxWaiting: number;
  readonly isClaiming: boolean;
  readonly request: number;
}

/** What became of turns in fresh lanes, some of which are held, and how the lanes stand then. */
async function admitAll(
  arrivals: readonly Arrival[],
  busy: readonly number[],
  write: (turns: readonly LaneAdmission[]) => Promise<readonly (Admitted | undefined)[]>,
) {
  const keys = laneKeys(3);
  const run = randomUUID();
  const toLane = (lane: number, more: Partial<NewLaneTurn>, how: object): LaneAdmission => {
    const turn = newTurn(keys[lane] ?? "", more);
    return { turn, admission: { ...HOW, input: turn.messages, claimRunId: undefined, ...how } };
  };
  for (const lane of busy) {
    await insertLaneTurns(world.db, [toLane(lane, {}, { claimRunId: randomUUID() })]);
  }
  const turns = arrivals.map(({ lane, turnClass, mayWait, maxWaiting, isClaiming, request }) => {
    // Requests are the lane's own: of twins in two lanes it is open which one wins.
    const more = { turnClass, idempotencyKey: `${run}/${lane}/${request}` };
    const claimRunId = isClaiming ? randomUUID() : undefined;
    return toLane(lane, more, { mayWait, maxWaiting, claimRunId });
  });
  const answers = await write(turns);
  const standing = await Promise.all(
    keys.map(async (key) => {
      const lane = await readLane(world.db, TENANT, key);
      const { order } = await readQueue(world.db, TENANT, key);
      const places = order.map(({ turnId }) =>
        turns.findIndex(({ turn }) => turn.turnId === turnId),
      );
      const active = turns.findIndex(({ turn }) => turn.turnId === lane?.activeTurnId);
      return { depth: lane?.depth, isHeld: lane?.holderRunId !== undefined, active, places };
    }),
  );
  const told = answers.map((one) => one && [one.laneSeq, one.isClaimed, one.position]);
  return { told, standing };
}
