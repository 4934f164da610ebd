import { randomUUID } from "node:crypto";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { eventually } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { textMessage } from "../../domain/context.ts";
import type { Ending } from "../../domain/ending.ts";
import { admit, counted, HOW, laneKeys, newTurn, TENANT } from "../../testing/turns-at-once.ts";
import type { World } from "../../testing/world.ts";
import { testWorlds } from "../../testing/test-worlds.ts";
import { insertLaneTurn } from "../admission/insert-lane-turn.ts";
import { readLane } from "../lanes/lane-row.ts";
import type { NewLaneTurn } from "../admission/new-turn.ts";
import { readTurn } from "../attaching/read-turn.ts";
import { TurnSteps } from "./turn-steps.ts";

const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

function completed(text: string): Ending {
  const reply = textMessage(Role.ASSISTANT, text);
  return {
    ...{ state: "COMPLETED", errorReason: "", errorMessage: "", reply, produced: [reply] },
    ...{ keepsInput: true, seeds: false, inputTokens: 1n, outputTokens: 2n },
    ...{ finishReason: "stop", model: "m" },
  };
}

interface Running {
  readonly turn: NewLaneTurn;
  readonly held: { tenant: string; sessionKey: string; turnId: string; runId: string };
}

async function begin(steps: TurnSteps, sessionKey: string): Promise<Running> {
  const turn = newTurn(sessionKey);
  const runId = randomUUID();
  await admit(steps, turn, runId);
  const held = { tenant: TENANT, sessionKey, turnId: turn.turnId, runId };
  const { sessionId } = turn.session;
  await steps.activate({ ...held, sessionId, generation: 1n, runEpoch: 1n, replica: "a" });
  return { turn, held };
}

function end(steps: TurnSteps, { turn, held }: Running, text: string) {
  const said = [...turn.messages, textMessage(Role.ASSISTANT, text)];
  const told = said.map((message) => ({ message, principal: "p1" }));
  return steps.finish({
    held: { ...held, turnClass: 1 },
    ending: completed(text),
    told,
    chunk: undefined,
  });
}

test("turns of different lanes share their statements, and each ends with its own words", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const running = await Promise.all(laneKeys(20).map((key) => begin(steps, key)));
  const endings = running.map(({ held }) =>
    steps.prepare({ held, ending: completed(held.sessionKey), endedStreamSeq: 5n }),
  );
  expect(await Promise.all(endings)).toMatchObject(running.map(() => ({ kind: "stored" })));
  const ended = await Promise.all(running.map((one) => end(steps, one, one.held.sessionKey)));
  expect(ended.every((one) => one?.depth === 0 && !one.isRouted && !one.hasSteers)).toBe(true);
  for (const name of ["insert_lane_turns", "activate", "prepare", "finish"]) {
    expect(sizes(`runner_${name}`).length, name).toBeLessThan(10);
  }
  for (const { turn, held } of running) {
    const { sessionKey } = held;
    expect(await readTurn(world.db, TENANT, turn.turnId)).toMatchObject({
      ...{ state: "COMPLETED", runCount: 1, input: turn.messages },
      reply: textMessage(Role.ASSISTANT, sessionKey),
    });
    expect((await readLane(world.db, TENANT, sessionKey))?.holderRunId).toBeUndefined();
    const { said, seen } = await steps.recent({
      ...{ tenant: TENANT, sessionId: turn.session.sessionId, limit: 10 },
    });
    expect(seen).toMatchObject({ sessionKey, generation: 1n });
    expect(said.map(({ seq }) => seq)).toEqual([2n, 1n]);
    expect(said[1]?.message).toEqual(turn.messages[0]);
  }
});

test("runs that renew at once share their statements, and one that holds its turn no more is told so", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const running = await Promise.all(laneKeys(20).map((key) => begin(steps, key)));
  const ids = running.map(({ held }) => held.turnId);
  await world.db.query("UPDATE turns SET renewed_at = 'epoch' WHERE turn_id = ANY ($1::uuid[])", [
    ids,
  ]);
  const [lost, ...others] = running.map(({ held }) => held);
  if (lost === undefined) throw new Error("there are twenty");
  const all = [{ ...lost, runId: randomUUID() }, ...others];
  expect(await Promise.all(all.map((held) => steps.renew(held)))).toEqual([
    false,
    ...others.map(() => true),
  ]);
  expect(sizes("runner_renew").length).toBeLessThan(5);
  const { rows } = await world.db.query<{ id: string }>(
    "SELECT turn_id AS id FROM turns WHERE turn_id = ANY ($1::uuid[]) AND renewed_at = 'epoch'",
    [ids],
  );
  expect(rows.map(({ id }) => id)).toEqual([lost.turnId]);
});

test("of what a turn writes to its rows only its end makes entries in indexes", async () => {
  const [key = ""] = laneKeys(1);
  const turn = newTurn(key);
  const runId = randomUUID();
  await admit(new TurnSteps(world.db), turn, runId);
  const held = { tenant: TENANT, sessionKey: key, turnId: turn.turnId, runId };
  const { sessionId } = turn.session;
  const writes = await world.db.transaction(async (sql) => {
    const steps = new TurnSteps(sql);
    const before = (await sql.query<Writes>(WRITES)).rows;
    await steps.activate({ ...held, sessionId, generation: 1n, runEpoch: 1n, replica: "a" });
    await steps.prepare({ held, ending: completed("a"), endedStreamSeq: 5n });
    await end(steps, { turn, held }, "a");
    return (await sql.query<Writes>(WRITES)).rows.map(({ table, updated, inPlace }, index) => ({
      table,
      updated: updated - (before[index]?.updated ?? NaN),
      inPlace: inPlace - (before[index]?.inPlace ?? NaN),
    }));
  });
  expect(writes).toEqual([
    { table: "lanes", updated: 1, inPlace: 1 },
    { table: "runs", updated: 2, inPlace: 2 },
    { table: "turns", updated: 3, inPlace: 2 },
  ]);
});

/** By table; in place: the new version is found by the entries of the old one. */
interface Writes {
  readonly table: string;
  readonly updated: number;
  readonly inPlace: number;
}

/** As the connection has counted them so far. */
const WRITES = `SELECT relname AS "table", pg_stat_get_xact_tuples_updated(oid)::int AS updated,
    pg_stat_get_xact_tuples_hot_updated(oid)::int AS "inPlace"
  FROM pg_class WHERE oid IN ('lanes'::regclass, 'runs'::regclass, 'turns'::regclass) ORDER BY relname`;

test("a turn that is refused takes nothing from the others of its statement", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const [full = "", ...free] = laneKeys(5);
  await admit(steps, newTurn(full), randomUUID());
  const before = sizes("runner_insert_lane_turns").length;
  const [refused, ...others] = await Promise.all([
    admit(steps, newTurn(full), randomUUID(), { mayWait: false }),
    ...free.map((key) => admit(steps, newTurn(key), randomUUID())),
  ]);
  expect(refused).toBeUndefined();
  expect(others.every((one) => one?.isClaimed === true)).toBe(true);
  expect(sizes("runner_insert_lane_turns").slice(before)).toEqual([5]);
});

test("a run that lost its turn is told so, and the others of its statement are stored", async () => {
  const steps = new TurnSteps(world.db);
  const running = await Promise.all(laneKeys(4).map((key) => begin(steps, key)));
  const results = await Promise.all(
    running.map(({ held }, index) => {
      const runId = index === 1 ? randomUUID() : held.runId;
      const ending = completed("a");
      return steps.prepare({ held: { ...held, runId }, ending, endedStreamSeq: 5n });
    }),
  );
  expect(results.map(({ kind }) => kind)).toEqual(["stored", "lost", "stored", "stored"]);
  const ends = await Promise.all(running.map((one) => end(steps, one, "a")));
  expect(ends.map((one) => one?.depth)).toEqual([0, undefined, 0, 0]);
});

test("a repeat that another replica admits meanwhile fails alone: its statement is tried turn by turn", async () => {
  const { sql, sizes } = counted(world.db);
  const steps = new TurnSteps(sql);
  const keys = laneKeys(4);
  const twin = newTurn("agent:main:elsewhere", { idempotencyKey: randomUUID() });
  // No look-up can see what is not committed; the unique key waits for it, and then sees it.
  const admissions = await world.db.transaction(async (elsewhere) => {
    const admission = { ...HOW, input: twin.messages, claimRunId: randomUUID() };
    await insertLaneTurn(elsewhere, { turn: twin, admission });
    const { idempotencyKey } = twin;
    const all = keys.map((key, index) =>
      admit(steps, newTurn(key, index === 1 ? { idempotencyKey } : {}), randomUUID()),
    );
    await eventually(isBlocked);
    return { all };
  });
  const results = await Promise.all(admissions.all);
  expect(results.map((one) => one?.isClaimed)).toEqual([true, undefined, true, true]);
  expect(sizes("runner_insert_lane_turns")).toEqual([4, 1, 1, 1, 1]);
  expect(await readLane(world.db, TENANT, keys[1] ?? "")).toBeUndefined();
});

async function isBlocked(): Promise<boolean> {
  const sql = "SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted";
  return ((await world.db.query<{ n: number }>(sql)).rows[0]?.n ?? 0) > 0;
}

test("two replicas that write to the same lanes at once neither wait for each other nor lose a turn", async () => {
  const replicas = [new TurnSteps(world.db), new TurnSteps(world.db)];
  const keys = laneKeys(30);
  const before = await deadlocks();
  const admissions = replicas.flatMap((steps, replica) =>
    // Each in an order of its own.
    (replica === 0 ? keys : keys.toReversed()).map(async (key) => {
      const turn = newTurn(key);
      const runId = randomUUID();
      return { key, turn, runId, steps, admitted: await admit(steps, turn, runId) };
    }),
  );
  const admitted = await Promise.all(admissions);
  for (const key of keys) {
    const ofLane = admitted.filter((one) => one.key === key).map((one) => one.admitted);
    expect(new Set(ofLane.map((one) => one?.laneSeq))).toEqual(new Set([1n, 2n]));
    expect(ofLane.filter((one) => one?.isClaimed === true)).toHaveLength(1);
  }
  const running = admitted.filter((one) => one.admitted?.isClaimed === true);
  await Promise.all(
    running.map(async ({ key, turn, runId, steps }) => {
      const held = { tenant: TENANT, sessionKey: key, turnId: turn.turnId, runId };
      const { sessionId } = turn.session;
      await steps.activate({ ...held, sessionId, generation: 1n, runEpoch: 1n, replica: "a" });
      await steps.prepare({ held, ending: completed("a"), endedStreamSeq: 5n });
      expect((await end(steps, { turn, held }, "a"))?.depth).toBe(1);
    }),
  );
  expect(await deadlocks()).toBe(before);
});

async function deadlocks(): Promise<bigint> {
  const sql = "select deadlocks from pg_stat_database where datname = current_database()";
  const { rows } = await world.db.query<{ deadlocks: bigint }>(sql);
  return rows[0]?.deadlocks ?? -1n;
}
