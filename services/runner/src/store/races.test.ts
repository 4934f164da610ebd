import { randomUUID } from "node:crypto";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textMessage } from "../domain/context.ts";
import { laneOrder } from "../domain/lane-order.ts";
import { completed, failed, newTurn, StoredTurns, TENANT } from "../testing/stored-turns.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { takeOver } from "./runs/activate.ts";
import { claimHead, releaseClaim } from "./lanes/claim-head.ts";
import { discardPrepared, endHeld, endWaiting, requeue } from "./runs/end-unanswered.ts";
import { readLane } from "./lanes/lane-row.ts";
import { messageBytes } from "./codec.ts";
import { OutboxSteps } from "./outbox/outbox-steps.ts";
import { readTurn } from "./attaching/read-turn.ts";
import { requestStop } from "./runs/request-stop.ts";
import { TurnSteps } from "./runs/turn-steps.ts";

const worlds = testWorlds();
let world: World;
let steps: TurnSteps;
beforeAll(async () => {
  world = await worlds.start();
  steps = new TurnSteps(world.db);
  stored = new StoredTurns(steps);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

let stored: StoredTurns;
const laneKey = () => stored.laneKey();
const admit: StoredTurns["admit"] = (...about) => stored.admit(...about);
const activeTurn: StoredTurns["activeTurn"] = (...about) => stored.activeTurn(...about);

describe("every change of a turn or lane is a compare-and-set on the run that holds it", () => {
  test("a run that was taken over can neither prepare nor finish nor end nor requeue", async () => {
    const { held, granted } = await activeTurn();
    const next = { ...granted, runId: randomUUID(), runEpoch: 2n, replica: "b" };
    expect(await takeOver(world.db, next, held.runId)).toMatchObject({ ordinal: 2 });
    expect(await steps.prepare({ held, ending: failed, endedStreamSeq: 9n })).toEqual({
      kind: "lost",
    });
    expect(
      await steps.finish({
        held: { ...held, turnClass: 1 },
        ending: failed,
        told: [],
        chunk: undefined,
      }),
    ).toBeUndefined();
    const end = {
      ...held,
      state: "SUPERSEDED" as const,
      errorReason: "",
      errorMessage: "",
      endedStreamSeq: 1n,
    };
    expect(await endHeld(world.db, end, held.runId)).toBeUndefined();
    expect(await requeue(world.db, held, { outcome: 5, errorReason: "", isSpared: false })).toBe(
      false,
    );
    expect(await releaseClaim(world.db, held)).toBe(false);
    const lane = await readLane(world.db, TENANT, held.sessionKey);
    expect(lane).toMatchObject({ activeTurnId: held.turnId, holderRunId: next.runId, depth: 0 });
    const stored = await readTurn(world.db, TENANT, held.turnId);
    expect(stored).toMatchObject({ state: "ACTIVE", runId: next.runId });
  });

  test("a claim that was taken for dead, and whose run began meanwhile, is not released: the lane stays the run's", async () => {
    const { held } = await activeTurn();
    expect(await releaseClaim(world.db, held)).toBe(false);
    const lane = await readLane(world.db, TENANT, held.sessionKey);
    expect(lane).toMatchObject({ activeTurnId: held.turnId, holderRunId: held.runId, depth: 0 });
    const stored = await steps.prepare({ held, ending: completed("a"), endedStreamSeq: 3n });
    expect(stored).toMatchObject({ kind: "stored" });
    const end = { ending: completed("a"), told: [], chunk: undefined };
    expect(await steps.finish({ held: { ...held, turnClass: 1 }, ...end })).toBeDefined();
    const ended = await readTurn(world.db, TENANT, held.turnId);
    expect(ended).toMatchObject({ state: "COMPLETED" });
  });

  test("an ending that is stored cannot be taken over, until it is discarded", async () => {
    const { held, granted } = await activeTurn();
    expect(await steps.prepare({ held, ending: completed("a"), endedStreamSeq: 3n })).toMatchObject(
      { kind: "stored" },
    );
    const next = { ...granted, runId: randomUUID(), runEpoch: 2n };
    expect(await takeOver(world.db, next, held.runId)).toBeUndefined();
    expect(await readLane(world.db, TENANT, held.sessionKey)).toMatchObject({
      holderRunId: held.runId,
    });
    expect(await discardPrepared(world.db, held)).toBe(true);
    expect(await takeOver(world.db, next, held.runId)).toMatchObject({ ordinal: 2 });
  });

  test("the first ending that is stored stands, whoever stores the second", async () => {
    const { held } = await activeTurn();
    await steps.prepare({ held, ending: failed, endedStreamSeq: 3n });
    const second = await steps.prepare({ held, ending: completed("late"), endedStreamSeq: 4n });
    expect(second).toMatchObject({ ending: { state: "FAILED", errorReason: "MODEL_FAILED" } });
  });

  test("finishing twice tells the transcript once", async () => {
    const { held } = await activeTurn();
    const ending = completed("answer");
    await steps.prepare({ held, ending: ending, endedStreamSeq: 3n });
    const told = ending.produced.map((message) => ({ message, principal: "" }));
    const both = await Promise.all(
      [1, 2].map(() =>
        steps.finish({
          held: { ...held, turnClass: 1 },
          ending: ending,
          told: told,
          chunk: undefined,
        }),
      ),
    );
    expect(both.filter((one) => one !== undefined).length).toBe(1);
    const { rowCount } = await world.db.query("SELECT FROM messages WHERE turn_id = $1", [
      held.turnId,
    ]);
    expect(rowCount).toBe(1);
  });

  test("a cancelled claim cannot be activated", async () => {
    const turn = newTurn(laneKey());
    const runId = randomUUID();
    await admit(turn, runId);
    const { sessionKey } = turn.session;
    const held = { tenant: TENANT, sessionKey, turnId: turn.turnId, runId };
    const end = {
      ...held,
      state: "CANCELLED" as const,
      errorReason: "",
      errorMessage: "",
      endedStreamSeq: 1n,
    };
    expect(await endWaiting(world.db, end)).toBe(true);
    const granted = { ...held, sessionId: "s1", generation: 1n, runEpoch: 1n, replica: "a" };
    expect(await steps.activate(granted)).toBeUndefined();
    expect(await readLane(world.db, TENANT, sessionKey)).toMatchObject({
      depth: 0,
      holderRunId: undefined,
    });
  });

  test("a stop comes too late for an ending that is stored, and not for the run after it", async () => {
    const { held, granted } = await activeTurn();
    await steps.prepare({ held, ending: completed("a"), endedStreamSeq: 3n });
    expect(await requestStop(world.db, TENANT, held.turnId, "cancelled", "no")).toBeUndefined();
    const next = { ...granted, runId: randomUUID(), runEpoch: 2n };
    await discardPrepared(world.db, held);
    expect(await takeOver(world.db, next, held.runId)).toMatchObject({
      stop: "cancelled",
      stopNote: "no",
    });
  });

  test("a lane is not freed by a run whose turn has no ending stored, or is a claim yet", async () => {
    const { held } = await activeTurn();
    const claim = newTurn(laneKey());
    const claimed = { ...held, ...claim.session, turnId: claim.turnId, runId: randomUUID() };
    await admit(claim, claimed.runId);
    const end = { ending: completed("a"), told: [], chunk: undefined };
    for (const one of [held, claimed]) {
      expect(await steps.finish({ held: { ...one, turnClass: 1 }, ...end })).toBeUndefined();
      const lane = await readLane(world.db, TENANT, one.sessionKey);
      expect(lane).toMatchObject({ activeTurnId: one.turnId, holderRunId: one.runId });
    }
  });

  test.each([
    ["that waits behind again is interrupted no more", false, undefined],
    ["that goes first again stays interrupted", true, "interrupted"],
  ])("a claim that is given back and %s", async (_what, front, stop) => {
    const turn = newTurn(laneKey());
    const { turnId, session } = turn;
    const held = { tenant: TENANT, ...session, turnId, runId: randomUUID() };
    await admit(turn, held.runId, front);
    await requestStop(world.db, TENANT, turnId, "interrupted", "");
    expect(await releaseClaim(world.db, held)).toBe(true);
    expect((await readTurn(world.db, TENANT, turnId))?.stop).toBe(stop);
  });

  test("racing claims of one head: one gets it", async () => {
    const key = laneKey();
    await admit(newTurn(key));
    const results = await Promise.all(
      Array.from({ length: 6 }, () =>
        claimHead(world.db, TENANT, key, { runId: randomUUID(), replica: "a", anyCaller: true }),
      ),
    );
    expect(results.filter(({ kind }) => kind === "claimed").length).toBe(1);
  });
});

test("heads are claimed in the order that the domain says", async () => {
  const key = laneKey();
  const waiting = [];
  // Front, class: enough of each for the ninth place to matter.
  for (let index = 0; index < 24; index++) {
    const isPerson = index % 4 !== 0;
    const front = index % 11 === 10;
    const turn = newTurn(key, isPerson ? 1 : 2);
    const { laneSeq } = await admit(turn, undefined, front);
    waiting.push({ turnId: turn.turnId, front, isPerson, laneSeq });
  }
  const claimed: string[] = [];
  for (;;) {
    const runId = randomUUID();
    const result = await claimHead(world.db, TENANT, key, { runId, replica: "b", anyCaller: true });
    if (result.kind !== "claimed") break;
    const held = { tenant: TENANT, sessionKey: key, turnId: result.turn.turnId, runId };
    claimed.push(held.turnId);
    await steps.activate({
      ...held,
      sessionId: "s1",
      generation: 1n,
      runEpoch: 1n,
      replica: "b",
    });
    await steps.prepare({ held, ending: failed, endedStreamSeq: 1n });
    await steps.finish({
      held: { ...held, turnClass: result.turn.turnClass },
      ending: failed,
      told: [],
      chunk: undefined,
    });
  }
  expect(claimed).toEqual(laneOrder(waiting, 0, 8).map(({ turnId }) => turnId));
  expect(await readLane(world.db, TENANT, key)).toMatchObject({ depth: 0, holderRunId: undefined });
});

test("a head whose caller waits at another replica is left to it, at first", async () => {
  const key = laneKey();
  await admit(newTurn(key));
  const by = (replica: string, anyCaller: boolean) =>
    claimHead(world.db, TENANT, key, { runId: randomUUID(), replica, anyCaller });
  expect((await by("b", false)).kind).toBe("preferred");
  expect((await by("b", true)).kind).toBe("claimed");
});

test("thirty racers into one new lane: one runs, the rest wait, each with a place of its own", async () => {
  const key = laneKey();
  const admitted = await Promise.all(
    Array.from({ length: 30 }, () => admit(newTurn(key), randomUUID())),
  );
  expect(admitted.filter(({ isClaimed }) => isClaimed).length).toBe(1);
  expect(new Set(admitted.map(({ laneSeq }) => laneSeq)).size).toBe(30);
  expect(await readLane(world.db, TENANT, key)).toMatchObject({ depth: 29 });
});

test("replies on their way: whoever claims, each row is had by one at a time, and a lane's rows in order", async () => {
  const keys = ["agent:a:out-1", "agent:a:out-2", "agent:a:out-3"];
  const reply = messageBytes(textMessage(Role.ASSISTANT, "hello"));
  for (let n = 0; n < 4; n += 1) {
    await world.db.query(
      `INSERT INTO outbox (tenant, session_key, turn_id, route_id, session_id, generation, principal,
         request_id, traceparent, reply, create_time, next_attempt_time)
       SELECT $1, key, gen_random_uuid(), '', '', 1, 'p', $3, '', $4, now(), now()
       FROM unnest($2::text[]) AS key`,
      [TENANT, keys, String(n), Buffer.from(reply)],
    );
  }
  const replicas = [
    new OutboxSteps(world.db),
    new OutboxSteps(world.db),
    new OutboxSteps(world.db),
  ];
  const seen = new Map<string, string[]>(keys.map((key) => [key, []]));
  const drain = async (steps: OutboxSteps, sessionKey: string): Promise<void> => {
    while ((seen.get(sessionKey)?.length ?? 0) < 4) {
      const row = await steps.claim({ tenant: TENANT, sessionKey });
      if (row === undefined) continue;
      seen.get(sessionKey)?.push(row.requestId);
      expect(await steps.remove(row.outboxId)).toBe(row.requestId !== "3");
    }
  };
  await Promise.all(replicas.flatMap((steps) => keys.map((key) => drain(steps, key))));
  for (const key of keys) expect(seen.get(key)).toEqual(["0", "1", "2", "3"]);
  expect((await world.db.query("SELECT FROM outbox WHERE tenant = $1", [TENANT])).rowCount).toBe(0);
});
