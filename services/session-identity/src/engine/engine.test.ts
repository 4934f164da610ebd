import { randomUUID } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { isRefusal } from "../domain/refusal.ts";
import { asks, fenceOf, granted } from "../testing/asks.ts";
import { ended, progress } from "../testing/commands.ts";
import { testDatabase } from "../testing/database.ts";
import { deadlockCount, holdRow, untilWaiting } from "../testing/locks.ts";
import { RULES } from "../names/rules.ts";
import type { Db } from "../store/db.ts";
import { Engine } from "./engine.ts";

const database = testDatabase();

function newEngine(db: Db = database.open()): Engine {
  return new Engine({ db, ids: systemIds, replica: { usageShard: 0, rules: RULES } });
}

async function count(db: Db, table: string, tenant: string): Promise<number> {
  const { rows } = await db.query<{ n: bigint }>(
    `select count(*) as n from ${table} where tenant = $1`,
    [tenant],
  );
  return Number(rows[0]?.n);
}

test("64 first contacts on two replicas get one session id, and nobody fails", async () => {
  const tenant = randomUUID();
  const replicas = [newEngine(), newEngine()];
  const racers = Array.from({ length: 64 }, (_, n) => {
    const engine = replicas[n % 2] ?? newEngine();
    return asks(engine, tenant, "agent:main:race").reserve();
  });
  const answers = (await Promise.all(racers)).map(granted);
  const ids = answers.map((answer) =>
    answer.kind === "standing" ? answer.state.session.sessionId : "",
  );
  expect(new Set(ids).size).toBe(1);
  const db = database.open();
  expect(await count(db, "generations", tenant)).toBe(1);
  expect(await count(db, "journal", tenant)).toBe(1);
});

test("batches that name the same keys in other orders never deadlock", async () => {
  const tenant = randomUUID();
  const db = database.open();
  await fillTable(db, tenant);
  const keys = Array.from({ length: 41 }, (_, n) => `agent:main:k${String(n).padStart(2, "0")}`);
  const replicas = [newEngine(), newEngine()];
  await Promise.all(keys.map((key) => asks(newEngine(db), tenant, key).reserve()));
  const deadlocks = await deadlockCount(db);
  // Whoever locks in the order of the input holds one half and waits in the middle for the other.
  const middle = await holdRow(db, tenant, "agent:main:k20");
  const rotations = replicas.flatMap((engine, n) => {
    const order = n === 0 ? keys : keys.toReversed();
    return order.map((key) => asks(engine, tenant, key).rotate(`${key} ${n}`));
  });
  await untilWaiting(db, 2);
  await middle.release();
  expect((await Promise.all(rotations)).filter(isRefusal)).toEqual([]);
  expect(await deadlockCount(db)).toBe(deadlocks);
});

/** So many rows that the planner finds keys by index, in whatever order they are asked for. */
async function fillTable(db: Db, tenant: string): Promise<void> {
  await db.query(
    `insert into session_keys (tenant, session_key, agent_id, rule_set_version, source, bind_time)
     select $1, 'agent:main:fill' || n, 'main', 1, 'test', now() from generate_series(1, 20000) n`,
    [tenant],
  );
  await db.query("analyze session_keys");
}

test("two replicas begin at once: one is granted, the other hears who holds the key", async () => {
  const tenant = randomUUID();
  const [a, b] = [newEngine(), newEngine()].map((engine) =>
    asks(engine, tenant, "agent:main:chat"),
  );
  await a?.reserve();
  const answers = await Promise.all([a?.begin(systemIds.uuid()), b?.begin(systemIds.uuid())]);
  const refused = answers.filter(isRefusal);
  expect(refused).toHaveLength(1);
  const holder = answers.find((answer) => !isRefusal(answer));
  expect(refused[0]).toMatchObject({
    reason: "SESSION_BUSY",
    busy: { holder: { runId: holder && !isRefusal(holder) ? holder.fence.runId : "" } },
  });
});

test("a repeat that waits for its twin's row lock gets the twin's recorded answer, not STALE", async () => {
  const tenant = randomUUID();
  const key = "agent:main:chat";
  const db = database.open();
  const [a, b] = [asks(newEngine(), tenant, key), asks(newEngine(), tenant, key)];
  await a.reserve();
  const fence = { ...fenceOf(await a.begin(systemIds.uuid())) };
  const gate = await holdRow(db, tenant, key);
  const twins = [a.write(ended(fence)), b.write(ended(fence))];
  await untilWaiting(db, 2);
  await gate.release();
  const [first, second] = await Promise.all(twins);
  expect(granted(first)).toEqual(granted(second));
});

test("the same rotation from two replicas at once rotates once", async () => {
  const tenant = randomUUID();
  const key = "agent:main:chat";
  const db = database.open();
  const [a, b] = [asks(newEngine(), tenant, key), asks(newEngine(), tenant, key)];
  await a.reserve();
  const gate = await holdRow(db, tenant, key);
  const twins = [a.rotate("reset-1"), b.rotate("reset-1")];
  await untilWaiting(db, 2);
  await gate.release();
  const [first, second] = (await Promise.all(twins)).map((answer) => granted(answer));
  expect(first?.rotation.generation).toBe(2n);
  expect(second).toEqual(first);
  expect(await a.rotate("reset-1", { note: "other" })).toMatchObject({
    reason: "IDEMPOTENCY_MISMATCH",
  });
});

test("a run id that began elsewhere at the same moment is IDEMPOTENCY_MISMATCH, and spoils no other call", async () => {
  const tenant = randomUUID();
  const engine = newEngine();
  const [one, two, third] = ["one", "two", "three"].map((name) =>
    asks(engine, tenant, `agent:main:${name}`),
  );
  await Promise.all([one?.reserve(), two?.reserve(), third?.reserve()]);
  const runId = systemIds.uuid();
  const answers = await Promise.all([
    one?.begin(runId),
    two?.begin(runId),
    third?.begin(systemIds.uuid()),
  ]);
  expect(answers.filter(isRefusal)).toMatchObject([{ reason: "IDEMPOTENCY_MISMATCH" }]);
  expect(isRefusal(answers[2])).toBe(false);
});

test("a refusal writes nothing but the journal, where equal ones are one entry with a count", async () => {
  const tenant = randomUUID();
  const db = database.open();
  const chat = asks(newEngine(), tenant, "agent:main:chat");
  await chat.reserve();
  const fence = fenceOf(await chat.begin(systemIds.uuid()));
  await chat.rotate("reset");
  const before = await everything(db, tenant);
  for (let n = 0; n < 3; n += 1) {
    expect(await chat.write(progress(fence, 1n))).toMatchObject({
      reason: "STALE_GENERATION",
      stale: { cause: { reason: "reset", generation: 2n, principal: "alice" } },
    });
  }
  expect(await everything(db, tenant)).toEqual(before);
  const { rows } = await db.query(
    "select operation, reason, count from journal where tenant = $1 and not accepted",
    [tenant],
  );
  expect(rows).toEqual([{ operation: "run_progress", reason: "STALE_GENERATION", count: 3 }]);
});

async function everything(db: Db, tenant: string): Promise<unknown[]> {
  const tables = [
    "session_keys",
    "generations",
    "runs",
    "lifecycle_events",
    "requests",
    "session_changes",
  ];
  return Promise.all(
    tables.map(
      async (table) => (await db.query(`select * from ${table} where tenant = $1`, [tenant])).rows,
    ),
  );
}

test("heartbeats are not journalled and tell no watcher", async () => {
  const tenant = randomUUID();
  const db = database.open();
  const chat = asks(newEngine(), tenant, "agent:main:chat");
  await chat.reserve();
  const fence = fenceOf(await chat.begin(systemIds.uuid()));
  const [journal, changes] = [
    await count(db, "journal", tenant),
    await count(db, "session_changes", tenant),
  ];
  for (let seq = 1n; seq <= 3n; seq += 1n) granted(await chat.write(progress(fence, seq)));
  expect(await count(db, "journal", tenant)).toBe(journal);
  expect(await count(db, "session_changes", tenant)).toBe(changes);
});

test("a heartbeat that its run's own ending overtook stood in the journal as refused, and is answered alone", async () => {
  const tenant = randomUUID();
  const db = database.open();
  const chat = asks(newEngine(), tenant, "agent:main:chat");
  await chat.reserve();
  const fence = fenceOf(await chat.begin(systemIds.uuid()));
  granted(await chat.write(ended(fence)));
  const before = await count(db, "journal", tenant);
  expect(await chat.write(progress(fence, 9n))).toMatchObject({ reason: "RUN_ENDED" });
  expect(await count(db, "journal", tenant)).toBe(before);
});

test("a key's calls are decided in the order in which they came", async () => {
  const tenant = randomUUID();
  const chat = asks(newEngine(), tenant, "agent:main:chat");
  await chat.reserve();
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => chat.rotate(`r${n}`)));
  expect(answers.map((answer) => granted(answer).rotation.generation)).toEqual(
    Array.from({ length: 20 }, (_, n) => BigInt(n + 2)),
  );
});
