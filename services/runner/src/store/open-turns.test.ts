import { randomUUID } from "node:crypto";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HOW, newTurn, StoredTurns, TENANT } from "../testing/stored-turns.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { World } from "../testing/world.ts";
import { findHost } from "./admission/coalesce.ts";
import { dropOldest } from "./admission/drop-oldest.ts";
import { insertLaneTurn } from "./admission/insert-lane-turn.ts";
import { readIsEmpty } from "./admission/read-known-session.ts";
import { endedSteerHosts, findSteerHost, settleSteers, takeSteers } from "./answering/steer.ts";
import { claimHead } from "./lanes/claim-head.ts";
import { listLanes } from "./lanes/list-lanes.ts";
import { moveWaiting } from "./lanes/move-waiting.ts";
import { readPositions } from "./lanes/read-position.ts";
import { readMarks, readWatched } from "./lanes/watch-lanes.ts";
import { waitingRoutes } from "./outbox/waiting-routes.ts";
import { expiredTurns, idleLanes, oldestIdleLanes, staleTurns } from "./recovery/sweep.ts";
import { endWaiting } from "./runs/end-unanswered.ts";
import { failAbandoned } from "./runs/finish-stateless.ts";
import { stopWaitingFront } from "./runs/request-stop.ts";
import { TurnSteps } from "./runs/turn-steps.ts";
import type { RunnerDatabase, Sql } from "./sql.ts";

const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const ENDED = 3_000;
const LANE = "agent:main:lane1";
const CROWDED = "agent:main:crowded";
const HELD = { tenant: TENANT, sessionKey: LANE, turnId: randomUUID(), runId: randomUUID() };
const AFTER = { tenant: "", sessionKey: "" };

/** Rows of `turns` that the connection has read so far: those of indexes are counted with each of them. */
const READ = `SELECT sum(pg_stat_get_xact_tuples_fetched(c.oid)
    + CASE WHEN c.relkind = 'r' THEN pg_stat_get_xact_tuples_returned(c.oid) ELSE 0 END)::int AS rows
  FROM pg_class c
  WHERE c.oid = 'turns'::regclass OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'turns'::regclass)`;

async function rowsRead(sql: Sql): Promise<number> {
  return (await sql.query<{ rows: number }>(READ)).rows[0]?.rows ?? NaN;
}

/** A database whose transactions are parts of this one. */
const within = (sql: Sql): RunnerDatabase =>
  ({ ...sql, transaction: (work: (sql: Sql) => unknown) => work(sql) }) as RunnerDatabase;

/** Whatever looks for open turns by something else than their ids. */
const LOOKS: Record<string, (sql: Sql) => Promise<unknown>> = {
  "the head is claimed": (sql) =>
    claimHead(within(sql), TENANT, LANE, { runId: randomUUID(), replica: "a", anyCaller: true }),
  "a turn comes": (sql) =>
    insertLaneTurn(sql, {
      turn: newTurn(LANE),
      admission: { ...HOW, input: [], claimRunId: undefined },
    }),
  "a full lane drops one": (sql) => dropOldest(sql, newTurn(LANE)),
  "one is coalesced": (sql) => findHost(sql, newTurn(LANE), 1_000),
  "one is steered": (sql) => findSteerHost(sql, newTurn(LANE), HELD.turnId, 8),
  "a run takes what was steered": (sql) => takeSteers(sql, HELD, 0, []),
  "what was steered is settled": (sql) => settleSteers(within(sql), HELD),
  "hosts that ended": (sql) => endedSteerHosts(sql, 10),
  "a session is empty": (sql) => readIsEmpty(sql, TENANT, { sessionKey: LANE, sessionId: "s1" }),
  "who waits is interrupted": (sql) =>
    stopWaitingFront(sql, { tenant: TENANT, sessionKey: LANE }, "interrupted", ""),
  "a lane's positions": (sql) => readPositions(sql, TENANT, LANE),
  "a tenant's lanes": (sql) =>
    listLanes(sql, TENANT, { agents: [], keyPrefixes: [] }, { afterKey: "", limit: 10 }),
  "lanes that are watched": (sql) => readMarks(sql, TENANT, AFTER, 10),
  "all lanes that are watched": (sql) => readMarks(sql, undefined, AFTER, 10),
  "a lane that is watched": (sql) => readWatched(sql, [{ tenant: TENANT, sessionKey: LANE }], 10),
  "routes of who waits": (sql) => waitingRoutes(sql, TENANT, LANE, 10),
  "stale turns": (sql) => staleTurns(sql, 15_000, 10),
  "abandoned turns": (sql) => failAbandoned(sql, 15_000, 10),
  "idle lanes": (sql) => idleLanes(sql, 0, [], 10),
  "a tenant's oldest idle lanes": (sql) => oldestIdleLanes(sql, TENANT, [], [], 10),
  "turns that waited too long": (sql) => expiredTurns(sql, 10),
  "a merge": (sql) =>
    moveWaiting(within(sql), TENANT, LANE, {
      ...{ sessionKey: "agent:main:lane2", sessionId: "s2", generation: 1n },
    }),
};

test("what looks for open turns reads none of those that ended, however many they are", async () => {
  const turns = new StoredTurns(new TurnSteps(world.db));
  for (let waiting = 0; waiting < 3; waiting += 1) await turns.admit(newTurn(LANE));
  await copyTurn(LANE, ENDED, { turn_id: "gen_random_uuid()", state: "4", end_time: "now()" });
  await world.db.query("ANALYZE turns");
  for (const [look, work] of Object.entries(LOOKS)) {
    expect(await reads(work), look).toBeLessThan(30);
  }
});

test("the head of a lane is found by reading few of the thousand that wait, whatever it is", async () => {
  const turns = new StoredTurns(new TurnSteps(world.db));
  await turns.admit(newTurn(CROWDED));
  await turns.admit(newTurn(CROWDED, TurnClass.SYSTEM), undefined, true);
  await turns.admit(newTurn(CROWDED, TurnClass.SYSTEM));
  await copyTurn(CROWDED, 1_000, { turn_id: "gen_random_uuid()", lane_seq: "3 + n" });
  // What may go before the others came last.
  const last =
    "UPDATE turns SET lane_seq = lane_seq + 2000 WHERE session_key = $1 AND turn_class = $2";
  await world.db.query(last, [CROWDED, TurnClass.SYSTEM]);
  await world.db.query("UPDATE lanes SET depth = depth + 1000 WHERE session_key = $1", [CROWDED]);
  await world.db.query("ANALYZE turns");
  const claim = () => ({ runId: randomUUID(), replica: "a", anyCaller: true });
  const heads: unknown[] = [];
  for (let served = 0; served < 12; served += 1) {
    expect(await reads((sql) => claimHead(within(sql), TENANT, CROWDED, claim()))).toBeLessThan(30);
    const head = await claimHead(world.db, TENANT, CROWDED, claim());
    if (head.kind !== "claimed") throw new Error(head.kind);
    heads.push([head.turn.laneSeq, head.turn.turnClass]);
    const ended = {
      state: "FAILED",
      errorReason: "",
      errorMessage: "",
      endedStreamSeq: 1n,
    } as const;
    const { turnId } = head.turn;
    await endWaiting(world.db, { ...ended, tenant: TENANT, sessionKey: CROWDED, turnId });
  }
  expect(heads.slice(0, 3)).toEqual([
    [2002n, TurnClass.SYSTEM],
    [1n, TurnClass.PERSON],
    [4n, TurnClass.PERSON],
  ]);
});

/** Stores a lane's first turn so many times more, with other values, in which `n` counts from 1. */
async function copyTurn(lane: string, times: number, values: Record<string, string>) {
  const { rows } = await world.db.query<{ column: string }>(
    `SELECT attname AS "column" FROM pg_attribute
     WHERE attrelid = 'turns'::regclass AND attnum > 0 AND attname <> ALL ($1)`,
    [Object.keys(values)],
  );
  const same = rows.map(({ column }) => column).join();
  await world.db.query(
    `INSERT INTO turns (${same}, ${Object.keys(values).join()})
     SELECT ${same}, ${Object.values(values).join()}
     FROM (SELECT * FROM turns WHERE session_key = $1 ORDER BY lane_seq LIMIT 1) t, generate_series(1, $2::int) n`,
    [lane, times],
  );
}

/** The rows of `turns` that this reads; what it changes is undone. */
async function reads(work: (sql: Sql) => Promise<unknown>): Promise<unknown> {
  const read = world.db.transaction(async (sql) => {
    const before = await rowsRead(sql);
    await work(sql);
    throw new Undone((await rowsRead(sql)) - before);
  });
  return read.catch((error: unknown) => (error instanceof Undone ? error.rows : error));
}

/** Undoes a transaction that was only to be looked at. */
class Undone extends Error {
  readonly rows: number;
  constructor(rows: number) {
    super();
    this.rows = rows;
  }
}
