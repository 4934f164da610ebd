import { randomUUID } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import type { Fence, ReplyFence } from "../domain/records.ts";
import { isRefusal } from "../domain/refusal.ts";
import { RULES } from "../names/rules.ts";
import type { Db } from "../store/db.ts";
import { asks, fenceOf, granted } from "../testing/asks.ts";
import { ended, progress, sending } from "../testing/commands.ts";
import { testDatabase } from "../testing/database.ts";
import { heldDb } from "../testing/drive/held-db.ts";
import { deadlockCount, holdAfter, holdRow, untilWaiting } from "../testing/locks.ts";
import { Engine } from "./engine.ts";

/** What Postgres does at READ COMMITTED that a fence can fall into; each with two replicas. */
const database = testDatabase();
const KEY = "agent:main:chat";

function newEngine(db: Db = database.open()): Engine {
  return new Engine({ db, ids: systemIds, replica: { usageShard: 0, rules: RULES } });
}

/** One replica that stops before a statement of its next transaction, and another that does not. */
async function start(stopBefore: string) {
  const tenant = randomUUID();
  const db = database.open();
  const free = asks(newEngine(db), tenant, KEY);
  await free.reserve();
  const fence = fenceOf(await free.begin(systemIds.uuid()));
  const held = heldDb(database.open(), stopBefore);
  return { db, tenant, fence, free, held, slow: asks(newEngine(held.db), tenant, KEY) };
}

function replyOf(fence: Fence): ReplyFence {
  const { sessionKey, sessionId, generation } = fence;
  return { sessionKey, sessionId, generation, turnId: "turn", deliveryId: "delivery" };
}

async function count(db: Db, table: string, tenant: string): Promise<number | undefined> {
  const sql = `select count(*)::int as n from ${table} where tenant = $1`;
  return (await db.query<{ n: number }>(sql, [tenant])).rows[0]?.n;
}

test("fence by sub-select: a write whose statement began before the rotation's commit is STALE", async () => {
  const { db, tenant, fence, free } = await start("");
  const other = asks(newEngine(), tenant, KEY);
  const gate = await holdRow(db, tenant, KEY);
  const rotation = other.rotate("reset");
  await untilWaiting(db, 1);
  const writes = [free.write(progress(fence, 1n))];
  await untilWaiting(db, 2);
  await gate.release();
  expect(granted(await rotation).rotation.generation).toBe(2n);
  expect(await Promise.all(writes)).toMatchObject([{ reason: "STALE_GENERATION" }]);
  expect(await count(db, "lifecycle_events", tenant)).toBe(0);
});

test("FOR KEY SHARE does not fence: a write waits for a rotation that is not committed yet", async () => {
  const { db, tenant, fence, free, held, slow } = await start("COMMIT");
  const rotation = slow.rotate("reset");
  await held.reached;
  const write = free.write(ended(fence));
  await untilWaiting(db, 1);
  held.release();
  granted(await rotation);
  expect(await write).toMatchObject({ reason: "STALE_GENERATION" });
  const { rows } = await db.query("select state from runs where tenant = $1", [tenant]);
  expect(rows).toEqual([{ state: "rotated" }]);
});

test("a foreign key does not fence: a reply's first row waits for a reset that is not committed yet", async () => {
  const { db, tenant, fence, free, held, slow } = await start("COMMIT");
  const rotation = slow.rotate("reset");
  await held.reached;
  const claim = free.writeReply(sending(replyOf(fence), 1n));
  await untilWaiting(db, 1);
  held.release();
  granted(await rotation);
  expect(await claim).toMatchObject({ reason: "STALE_GENERATION" });
  expect(await count(db, "replies", tenant)).toBe(0);
});

test("a look-up sees the snapshot from before a lock wait: a repeat that waits for its twin gets its answer", async () => {
  const twins: ((replica: ReturnType<typeof asks>, fence: Fence) => Promise<unknown>)[] = [
    (replica, fence) => replica.write(progress(fence, 1n)),
    (replica, fence) => replica.writeReply(sending(replyOf(fence), 1n)),
    (replica) => replica.rotate("reset"),
    (replica, fence) => replica.write(ended(fence)),
  ];
  for (const twin of twins) {
    const { db, fence, free, held, slow } = await start("COMMIT");
    const first = twin(slow, fence);
    await held.reached;
    const second = twin(free, fence);
    await untilWaiting(db, 1);
    held.release();
    const [answer, repeat] = await Promise.all([first, second]);
    expect(isRefusal(answer)).toBe(false);
    expect(repeat).toEqual(answer);
  }
});

test("a look-up sees the snapshot from before a lock wait: a run that begins twice at once begins once", async () => {
  const { db, fence, free, held, slow } = await start("COMMIT");
  await free.write(ended(fence));
  const runId = systemIds.uuid();
  const first = slow.begin(runId);
  await held.reached;
  const second = free.begin(runId);
  await untilWaiting(db, 1);
  held.release();
  expect(fenceOf(await second)).toEqual(fenceOf(await first));
});

test("ON CONFLICT DO NOTHING finds no row to read again: the loser of a first contact joins the winner", async () => {
  const tenant = randomUUID();
  const db = database.open();
  const held = heldDb(database.open(), "COMMIT");
  const [slow, free] = [held.db, db].map((each) => asks(newEngine(each), tenant, KEY));
  const winner = slow?.reserve();
  await held.reached;
  const loser = free?.reserve();
  await untilWaiting(db, 1);
  held.release();
  const [first, second] = await Promise.all([winner, loser]);
  expect(second).toMatchObject({ kind: "standing", state: { session: { generation: 1n } } });
  expect(second).toEqual(first);
  expect(await count(db, "generations", tenant)).toBe(1);
});

test("a first contact whose replica dies before its commit leaves nothing: the next one mints", async () => {
  const tenant = randomUUID();
  const db = database.open();
  const held = heldDb(database.open(), "COMMIT");
  const [slow, free] = [held.db, db].map((each) => asks(newEngine(each), tenant, KEY));
  const dying = slow?.reserve().catch((error: unknown) => error);
  await held.reached;
  const next = free?.reserve();
  await untilWaiting(db, 1);
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where state = 'idle in transaction' and datname = current_database()`,
  );
  held.release();
  expect(await next).toMatchObject({ kind: "standing", state: { session: { generation: 1n } } });
  expect(await dying).toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(await free?.reserve()).toEqual(await next);
  expect(await count(db, "generations", tenant)).toBe(1);
});

test("lock order: first contacts with the same keys in other orders never deadlock", async () => {
  const tenant = randomUUID();
  const db = database.open();
  const keys = Array.from({ length: 41 }, (_, n) => `agent:main:k${String(n).padStart(2, "0")}`);
  const deadlocks = await deadlockCount(db);
  // Whoever makes keys in the order of the input holds one half and waits in the middle for the other.
  const middle = await holdAfter(db, async (tx) => {
    await tx.query(
      `insert into session_keys (tenant, session_key, agent_id, rule_set_version, source, bind_time)
       values ($1, 'agent:main:k20', 'main', 1, 'test', now())`,
      [tenant],
    );
  });
  const contacts = [keys, keys.toReversed()].flatMap((order) => {
    const engine = newEngine();
    return order.map((key) => asks(engine, tenant, key).reserve());
  });
  await untilWaiting(db, 2);
  await middle.release();
  expect((await Promise.all(contacts)).filter(isRefusal)).toEqual([]);
  expect(await deadlockCount(db)).toBe(deadlocks);
  expect(await count(db, "generations", tenant)).toBe(keys.length);
});
