import { randomUUID } from "node:crypto";
import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { textMessage } from "../../domain/context.ts";
import { textOf } from "../../domain/message-text.ts";
import { HOW, laneKeys, newTurn, TENANT } from "../../testing/turns-at-once.ts";
import type { World } from "../../testing/world.ts";
import { testWorlds } from "../../testing/test-worlds.ts";
import { insertLaneTurns } from "./insert-lane-turn.ts";
import { insertResentTurns } from "./insert-resent-turns.ts";
import { readLane } from "../lanes/lane-row.ts";
import type { LaneAdmission, NewLaneTurn } from "./new-turn.ts";
import { readTurn } from "../attaching/read-turn.ts";
import { ResentTurns } from "./resent-turns.ts";

const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const user = (text: string): Message => textMessage(Role.USER, text);

/** A request that resends what was said: "a" and its answer before what it adds. */
function resending(key: string, added: readonly string[], more: Partial<NewLaneTurn> = {}) {
  const history = [user("a"), textMessage(Role.ASSISTANT, "A")];
  return newTurn(key, { messages: [...history, ...added.map(user)], ...more });
}

function admissionOf(turn: NewLaneTurn, more = {}): LaneAdmission {
  const admission = { ...HOW, input: [], claimRunId: undefined, ...more };
  return { turn, admission };
}

/** How often a transaction was begun, and what each was to do. */
function countedTransactions() {
  const lots: number[] = [];
  const db: typeof world.db = Object.create(world.db, {
    transaction: {
      value: (work: Parameters<typeof world.db.transaction>[0]) => {
        lots.push(1);
        return world.db.transaction(work);
      },
    },
  });
  return { db, lots };
}

test("requests that resend a history to one lane share transactions, and only the first brings its history", async () => {
  const { db, lots } = countedTransactions();
  const resent = new ResentTurns(db);
  const [key = ""] = laneKeys(1);
  const turns = Array.from({ length: 100 }, (_, n) => resending(key, [`m${n}`]));
  const admitted = await Promise.all(
    turns.map((turn) => resent.admit(admissionOf(turn, { claimRunId: randomUUID() }))),
  );
  expect(lots.length).toBeLessThanOrEqual(3);
  expect(admitted.map((one) => [one?.laneSeq, one?.isClaimed, one?.position])).toEqual(
    turns.map((_, index) => [BigInt(index + 1), index === 0, index]),
  );
  expect(admitted.map((one) => one?.said.input.map(textOf))).toEqual(
    turns.map((_, n) => [`m${n}`]),
  );
  expect(admitted.map((one) => one?.said.seed.length)).toEqual(turns.map((_, n) => (n ? 0 : 2)));
  expect((await readTurn(world.db, TENANT, turns[99]?.turnId ?? ""))?.input).toEqual([user("m99")]);
});

test("a lot that is refused leaves no lane, and one with a repeat in it is admitted turn by turn", async () => {
  const resent = new ResentTurns(world.db);
  const [key = "", other = ""] = laneKeys(2);
  const idempotencyKey = randomUUID();
  await insertLaneTurns(world.db, [admissionOf(newTurn(other, { idempotencyKey }))]);
  const repeat = () => resent.admit(admissionOf(resending(key, ["x"], { idempotencyKey })));
  expect(await Promise.all([repeat(), repeat()])).toEqual([undefined, undefined]);
  expect(await readLane(world.db, TENANT, key)).toBeUndefined();
  const admitted = await Promise.all([
    repeat(),
    // Taps that came with those before them in sight.
    resent.admit(admissionOf(resending(key, ["x"]))),
    resent.admit(admissionOf(resending(key, ["x", "y"]))),
  ]);
  expect(admitted.map((one) => one?.said.input.map(textOf))).toEqual([undefined, ["x"], ["y"]]);
  expect(admitted.map((one) => one?.said.seed.length)).toEqual([undefined, 2, 0]);
});

const arrival = fc.record({
  lane: fc.constantFrom(0, 0, 0, 1),
  added: fc.array(fc.constantFrom("x", "y", "z"), { minLength: 1, maxLength: 4 }),
  maxWaiting: fc.constantFrom(4, 4, 4, 2),
  request: fc.integer({ min: 0, max: 12 }),
  session: fc.constantFrom("s1", "s1", "s1", "s2"),
});

test("what is new in requests that come at once is what it is when they come one after another", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { minLength: 2, maxLength: 10 }), async (arrivals) => {
      const admitAll = async (write: (turns: LaneAdmission[]) => Promise<unknown[]>) => {
        const keys = laneKeys(2);
        const run = randomUUID();
        const turns = arrivals.map(({ lane, added, maxWaiting, request, session }) => {
          const key = keys[lane] ?? "";
          const turn = resending(key, added, {
            session: { sessionKey: key, sessionId: `${run}/${session}`, generation: 1n },
            idempotencyKey: `${run}/${lane}/${request}`,
          });
          return admissionOf(turn, { maxWaiting });
        });
        await write(turns);
        const stored = await Promise.all(
          turns.map(({ turn }) => readTurn(world.db, TENANT, turn.turnId)),
        );
        return stored.map(
          (turn) => turn && [turn.laneSeq, turn.seed.map(textOf), turn.input.map(textOf)],
        );
      };
      const resent = new ResentTurns(world.db);
      const together = await admitAll((turns) =>
        Promise.all(turns.map((one) => resent.admit(one))),
      );
      const oneByOne = await admitAll(async (turns) => {
        for (const one of turns) await insertResentTurns(world.db, [one]);
        return [];
      });
      expect(together).toEqual(oneByOne);
    }),
    { numRuns: 30 },
  );
});
