import { randomUUID } from "node:crypto";
import { eventually } from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completed, newTurn, StoredTurns, TENANT } from "../../testing/stored-turns.ts";
import type { World } from "../../testing/world.ts";
import { testWorlds } from "../../testing/test-worlds.ts";
import { claimHead } from "../lanes/claim-head.ts";
import { findHost } from "./coalesce.ts";
import { endWaiting, requeue } from "../runs/end-unanswered.ts";
import { lockLane, readLane } from "../lanes/lane-row.ts";
import { readQueue } from "../lanes/read-position.ts";
import { moveWaiting } from "../lanes/move-waiting.ts";
import type { NewLaneTurn } from "./new-turn.ts";
import { readTurn } from "../attaching/read-turn.ts";
import { findSteerHost, insertSteered, settleSteers, takeSteers } from "../answering/steer.ts";
import { expiredTurns } from "../recovery/sweep.ts";
import { TurnSteps } from "../runs/turn-steps.ts";

const worlds = testWorlds();
let world: World;
let steps: TurnSteps;
let stored: StoredTurns;
beforeAll(async () => {
  world = await worlds.start();
  steps = new TurnSteps(world.db);
  stored = new StoredTurns(steps);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const CANCELLED = {
  ...{ state: "CANCELLED" as const, errorReason: "", errorMessage: "", endedStreamSeq: 1n },
};

const claimant = () => ({ runId: randomUUID(), replica: "a", anyCaller: true });

describe("messages handed to a turn that is given back", () => {
  /** A turn that was handed a message and waits for its next run; then a later one comes. */
  async function givenBack(guestFields: Partial<NewLaneTurn> = {}) {
    const { turn: host, held } = await stored.activeTurn();
    const guest = { ...newTurn(held.sessionKey), ...guestFields };
    await world.db.transaction((sql) =>
      insertSteered(sql, guest, host.turnId, guest.messages, "a"),
    );
    expect(
      await requeue(world.db, held, { outcome: 5, errorReason: "DRAINING", isSpared: true }),
    ).toBe(true);
    const later = newTurn(held.sessionKey);
    await stored.admit(later);
    return { host, held, guest, later };
  }

  test("and is cancelled then: they are turns again at once, and nothing that came later goes before", async () => {
    const { held, guest } = await givenBack();
    expect(await endWaiting(world.db, { ...held, ...CANCELLED })).toBe(true);
    const lane = await readLane(world.db, TENANT, held.sessionKey);
    expect(lane).toMatchObject({ depth: 2, holderRunId: undefined });
    expect(await claimHead(world.db, TENANT, held.sessionKey, claimant())).toMatchObject({
      turn: { turnId: guest.turnId },
    });
  });

  test("and whose key is merged into another go with it, and its next run is told them", async () => {
    const { host, held, guest } = await givenBack();
    const survivor = { sessionKey: stored.laneKey(), sessionId: "s2", generation: 4n };
    await moveWaiting(world.db, TENANT, held.sessionKey, survivor);
    const claim = claimant();
    const claimed = await claimHead(world.db, TENANT, survivor.sessionKey, claim);
    expect(claimed).toMatchObject({ turn: { turnId: host.turnId } });
    const run = { ...held, ...survivor, runId: claim.runId };
    await steps.activate({ ...run, runEpoch: 2n, replica: "a" });
    expect(await takeSteers(world.db, run, 0, [])).toEqual([
      { turnId: guest.turnId, messages: guest.messages, afterStep: 0 },
    ]);
    const ending = completed("a");
    await steps.prepare({ held: run, ending, endedStreamSeq: 3n });
    const end = { held: { ...run, turnClass: 1 }, ending, told: [], chunk: undefined };
    expect(await steps.finish(end)).toMatchObject({ hasSteers: true, depth: 1 });
    expect(await settleSteers(world.db, run)).toBe(0);
    expect(await readTurn(world.db, TENANT, guest.turnId)).toMatchObject({
      ...{ state: "COALESCED", sessionKey: survivor.sessionKey, intoTurnId: host.turnId },
    });
  });

  test("and whose key is merged into another wait behind the survivor's turns too, once they are turns again", async () => {
    const { host, held, guest, later } = await givenBack();
    const key = stored.laneKey();
    const before = [newTurn(key), newTurn(key), newTurn(key)];
    for (const turn of before) await stored.admit(turn);
    const survivor = { sessionKey: key, sessionId: "s2", generation: 4n };
    await moveWaiting(world.db, TENANT, held.sessionKey, survivor);
    expect(await endWaiting(world.db, { ...held, sessionKey: key, ...CANCELLED })).toBe(true);
    const after = newTurn(key);
    await stored.admit(after);
    const { order } = await readQueue(world.db, TENANT, key);
    expect(order.map(({ turnId }) => turnId)).toEqual(
      [...before, guest, later, after].map(({ turnId }) => turnId),
    );
    const seqs = new Set(order.map(({ laneSeq }) => laneSeq));
    expect(seqs.size).toBe(order.length);
    expect(await readTurn(world.db, TENANT, host.turnId)).toMatchObject({ state: "CANCELLED" });
  });

  test("wait no longer than they may, once they are turns again", async () => {
    const { held, guest } = await givenBack({ maxWaitMs: 1 });
    const expired = async () => (await expiredTurns(world.db, 1_000)).map(({ turnId }) => turnId);
    await new Promise((resolve) => setTimeout(resolve, 5));
    // Its host may have read it: it does not wait for the lane.
    expect(await expired()).not.toContain(guest.turnId);
    await endWaiting(world.db, { ...held, ...CANCELLED });
    expect(await expired()).toContain(guest.turnId);
  });
});

test("a message that is handed over while its host's ending is being stored is not overtaken", async () => {
  const { turn: host, held } = await stored.activeTurn();
  const guest = newTurn(held.sessionKey);
  let preparing: Promise<unknown> | undefined;
  await world.db.transaction(async (sql) => {
    await lockLane(sql, TENANT, held.sessionKey);
    expect(await findSteerHost(sql, guest, host.turnId, 32)).toBeDefined();
    // Waits for the host's row, and sees what was there before it waited.
    preparing = steps.prepare({ held, ending: completed("a"), endedStreamSeq: 3n });
    await eventually(async () => {
      const waits = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
      return (await world.db.query(waits)).rowCount > 0;
    });
    await insertSteered(sql, guest, host.turnId, guest.messages, "a");
  });
  const later = newTurn(held.sessionKey);
  await stored.admit(later);
  const prepared = await preparing;
  if ((prepared as { kind: string }).kind === "stored") {
    const ending = completed("a");
    const end = { held: { ...held, turnClass: 1 }, ending, told: [], chunk: undefined };
    expect(await steps.finish(end)).toMatchObject({ depth: 2 });
    const claimed = await claimHead(world.db, TENANT, held.sessionKey, claimant());
    expect(claimed).toMatchObject({ turn: { turnId: guest.turnId } });
  } else expect(prepared).toEqual({ kind: "steered" });
});

describe("what joins another turn is answered as it would have been", () => {
  test("a turn that asks for its generation is not coalesced into one that runs in any", async () => {
    const key = stored.laneKey();
    await stored.admit(newTurn(key));
    const bound = { ...newTurn(key), requiredGeneration: 1n };
    expect(await findHost(world.db, newTurn(key), 60_000)).toBeDefined();
    expect(await findHost(world.db, bound, 60_000)).toBeUndefined();
    await stored.admit(bound);
    expect(await findHost(world.db, bound, 60_000)).toMatchObject({ turnId: bound.turnId });
    expect(await findHost(world.db, newTurn(key), 60_000)).toBeUndefined();
  });

  test("a message for a given generation is not moved with the turn that it was handed to", async () => {
    const { turn: host, held } = await stored.activeTurn();
    const to = { sessionKey: stored.laneKey(), sessionId: "s2", generation: 1n };
    const any = newTurn(held.sessionKey);
    const bound = { ...newTurn(held.sessionKey), requiredGeneration: 1n };
    for (const turn of [any, bound]) {
      await insertSteered(world.db, turn, host.turnId, turn.messages, "a");
    }
    expect(await requeue(world.db, held, { outcome: 0, errorReason: "", isSpared: false })).toBe(
      true,
    );
    expect(await moveWaiting(world.db, TENANT, held.sessionKey, to)).toBe(1);
    const read = async ({ turnId }: { turnId: string }) => readTurn(world.db, TENANT, turnId);
    expect(await read(host)).toMatchObject({ sessionKey: to.sessionKey });
    expect(await read(any)).toMatchObject({
      sessionKey: to.sessionKey,
      intoTurnId: host.turnId,
    });
    expect(await readLane(world.db, TENANT, to.sessionKey)).toMatchObject({ depth: 1 });
    expect(await readLane(world.db, TENANT, held.sessionKey)).toMatchObject({ depth: 1 });
    const left = await claimHead(world.db, TENANT, held.sessionKey, claimant());
    expect(left).toMatchObject({ turn: { turnId: bound.turnId } });
  });

  test("a turn whose reply goes elsewhere is not handed to the one that runs", async () => {
    const { turn, held } = await stored.activeTurn({ routeId: "one" });
    const findFor = (routeId: string) =>
      findSteerHost(world.db, { ...newTurn(held.sessionKey), routeId }, turn.turnId, 32);
    expect(await findFor("one")).toBeDefined();
    // Without a route it goes to who is attached.
    expect(await findFor("")).toBeDefined();
    expect(await findFor("two")).toBeUndefined();
    // What an agent sends has a route for the case that it is a turn of its own.
    const nested = {
      parentRunId: held.runId,
      rootTurnId: turn.turnId,
      nestedTurnsPerRequest: 256,
      isMinted: false,
      tells: undefined,
    };
    const sent = { ...newTurn(held.sessionKey), routeId: "two", nested };
    expect(await findSteerHost(world.db, sent, turn.turnId, 32)).toBeDefined();
  });
});
