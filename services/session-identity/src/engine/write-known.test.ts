import { randomUUID } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import { expect, test } from "vitest";
import type { Db } from "../store/db.ts";
import { asks, fenceOf, granted } from "../testing/asks.ts";
import { ended, progress } from "../testing/commands.ts";
import { testDatabase } from "../testing/database.ts";
import { DbClock } from "../testing/drive/db-clock.ts";
import { heldDb } from "../testing/drive/held-db.ts";
import { idlePolicies, remembering, turn } from "../testing/remembering.ts";
import { untilWaiting } from "../testing/locks.ts";

const database = testDatabase();
const { replica, served } = remembering(database);

test("the first run of a key is decided by its row; its end and all that follow by memory", async () => {
  const { told, of } = replica();
  const key = of(randomUUID());
  granted(await key.reserve());
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  expect(told).toEqual({ written: 0, outdated: 0 });
  granted(await key.write(ended(fence)));
  expect(told).toEqual({ written: 1, outdated: 0 });
  const next = await turn(key);
  expect(told).toEqual({ written: 3, outdated: 0 });
  expect(next.runEpoch).toBe(fence.runEpoch + 1n);
});

test("what is written by memory is what would be written by the row", async () => {
  const [byMemory, byRow] = [randomUUID(), randomUUID()];
  const remembers = replica();
  granted(await remembers.of(byMemory).reserve());
  granted(await replica().of(byRow).reserve());
  for (const number of [1, 2, 3]) {
    const runId = systemIds.uuid();
    const turnId = `turn ${number}`;
    const begun = granted(await remembers.of(byMemory).begin(runId, { turnId }));
    const first = await remembers.of(byMemory).write(ended(begun.fence));
    const other = granted(await replica().of(byRow).begin(systemIds.uuid(), { turnId }));
    const second = await replica().of(byRow).write(ended(other.fence));
    expect(first).toEqual(second);
  }
  expect(remembers.told).toEqual({ written: 5, outdated: 0 });
  const db = database.open();
  expect(await everythingOf(db, byMemory)).toEqual(await everythingOf(db, byRow));
});

/** Rows without what differs between two runs of the same steps. */
async function everythingOf(db: Db, tenant: string): Promise<unknown> {
  const tables = ["session_keys", "runs", "journal", "session_changes", "generations"];
  const all = tables.map(async (table) => {
    const { rows } = await db.query<{ row: object }>(
      `select to_jsonb(t) as row from ${table} t where tenant = $1`,
      [tenant],
    );
    return rows.map(({ row }) => shape(row)).toSorted();
  });
  return Promise.all(all);
}

const VARYING = /("[0-9a-f-]{36}")|("\d{4}-\d\d-\d\dT[^"]+")|\b\d{13}\b/g;

function shape(row: object): string {
  const { entry_id: _e, change_id: _c, xid: _x, ...told } = row as Record<string, unknown>;
  return JSON.stringify(told).replaceAll(VARYING, "-");
}

test("what another replica has rotated is decided anew, by what stands", async () => {
  const { key, told, tenant } = await served();
  granted(await replica().of(tenant).rotate("reset"));
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  expect(fence.generation).toBe(2n);
  expect(told).toEqual({ written: 0, outdated: 1 });
  granted(await key.write(ended(fence)));
  expect(told).toEqual({ written: 1, outdated: 1 });
});

test("a rotation that is not committed yet is waited for", async () => {
  const { key, told, tenant } = await served();
  const db = database.open();
  const held = heldDb(database.open(), "COMMIT");
  const rotation = replica(held.db).of(tenant).rotate("reset");
  await held.reached;
  const begin = key.begin(systemIds.uuid());
  await untilWaiting(db, 1);
  held.release();
  granted(await rotation);
  expect(fenceOf(await begin).generation).toBe(2n);
  expect(told).toEqual({ written: 0, outdated: 1 });
});

test("a heartbeat elsewhere changes the row as well: the run's end is decided anew and accepted", async () => {
  const { key, told, tenant } = await served();
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  granted(await replica().of(tenant).write(progress(fence, 1n)));
  granted(await key.write(ended(fence)));
  expect(told).toEqual({ written: 1, outdated: 1 });
});

test("a run that was taken over elsewhere cannot end by memory", async () => {
  const clock = new DbClock();
  const { key, told, tenant } = await served(clock.on(database.open()));
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  clock.advance(60_000);
  const successor = fenceOf(
    await replica(clock.on(database.open())).of(tenant).begin(systemIds.uuid()),
  );
  expect(await key.write(ended(fence))).toMatchObject({ reason: "TAKEN_OVER" });
  expect(told).toEqual({ written: 1, outdated: 1 });
  expect(successor.runEpoch).toBe(fence.runEpoch + 1n);
});

test("a busy key is busy, whatever was remembered of it", async () => {
  const { key, told, tenant } = await served();
  const holder = fenceOf(await replica().of(tenant).begin(systemIds.uuid()));
  expect(await key.begin(systemIds.uuid())).toMatchObject({
    reason: "SESSION_BUSY",
    busy: { holder: { runId: holder.runId } },
  });
  expect(told).toEqual({ written: 0, outdated: 1 });
  expect(await key.begin(systemIds.uuid())).toMatchObject({ reason: "SESSION_BUSY" });
  expect(told).toEqual({ written: 0, outdated: 1 });
});

test("policies that changed meanwhile are those that a session's freshness is judged by", async () => {
  const { key, told, tenant } = await served();
  await idlePolicies(database.open(), tenant, 0);
  const acceptMs = Date.now() + 1_000;
  const begun = granted(await key.begin(systemIds.uuid(), { acceptMs, turnId: "next" }));
  expect(begun.rolledOver?.reason).toBe("idle");
  expect(told).toEqual({ written: 0, outdated: 1 });
});

test("a rollover is decided by the row", async () => {
  const clock = new DbClock();
  const db = database.open();
  const { key, of, told, tenant } = await served(clock.on(db));
  await idlePolicies(database.open(), tenant, 3_600_000);
  await turn(key);
  expect(told).toEqual({ written: 1, outdated: 1 });
  await turn(key);
  expect(told).toEqual({ written: 3, outdated: 1 });
  clock.advance(7_200_000);
  // Any look-up tells what the clock is now.
  granted(await of(tenant, "agent:main:other").reserve());
  const acceptMs = clock.nowMs();
  const begun = granted(await key.begin(systemIds.uuid(), { acceptMs, turnId: "next" }));
  expect(begun.rolledOver?.reason).toBe("idle");
  expect(told).toEqual({ written: 3, outdated: 1 });
});

test("a run id that began under another key is IDEMPOTENCY_MISMATCH, and spoils no other call", async () => {
  const { engine, tenant, told, of } = await served();
  const [used, other] = [of(tenant), asks(engine, tenant, "agent:main:other")];
  granted(await other.reserve());
  await turn(other);
  const runId = systemIds.uuid();
  await turn(used, runId);
  told.written = 0;
  const answers = await Promise.all([other.begin(runId), used.begin(systemIds.uuid())]);
  expect(answers[0]).toMatchObject({ reason: "IDEMPOTENCY_MISMATCH" });
  expect(fenceOf(answers[1]).runEpoch).toBe(3n);
  expect(told).toEqual({ written: 0, outdated: 2 });
});

test("a repeat of the run that ended last is told so, and spoils no other call", async () => {
  const { engine, tenant, told, key } = await served();
  const other = asks(engine, tenant, "agent:main:other");
  granted(await other.reserve());
  await turn(other);
  const runId = systemIds.uuid();
  await turn(key, runId);
  told.written = 0;
  const answers = await Promise.all([key.begin(runId), other.begin(systemIds.uuid())]);
  expect(answers[0]).toMatchObject({ reason: "RUN_ENDED" });
  expect(fenceOf(answers[1]).runEpoch).toBe(2n);
  expect(told).toEqual({ written: 1, outdated: 0 });
});

test("a row of another revision is none that is known, whichever transaction it names", async () => {
  const inner = database.open();
  // What a server wrote again that had lost what it had not flushed.
  const forgetful: Db = {
    ...inner,
    query: (statement, params) => {
      const isCompared = typeof statement !== "string" && statement.name.startsWith("write_unch");
      return inner.query(statement, isCompared ? params?.with(7, [0n]) : params);
    },
  };
  const { key, told } = await served(forgetful);
  await turn(key);
  expect(told.written).toBe(0);
});

test("an ending that is written again gets the answer of the first", async () => {
  const { key } = await served();
  const fence = fenceOf(await key.begin(systemIds.uuid()));
  const first = granted(await key.write(ended(fence)));
  expect(await key.write(ended(fence))).toEqual(first);
  expect(await key.write(ended(fence, "failed"))).toMatchObject({ reason: "RUN_ENDED" });
});

test("what was written and whose answer was lost is told to who asks again", async () => {
  const inner = database.open();
  let losses = 0;
  const { key, told } = await served({
    ...inner,
    query: async (statement, params) => {
      const answer = await inner.query(statement, params);
      losses -= 1;
      if (losses === 0) throw new Error("Connection terminated unexpectedly");
      return answer as never;
    },
  });
  const runId = systemIds.uuid();
  losses = 1;
  await expect(key.begin(runId)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  const fence = fenceOf(await key.begin(runId));
  expect(fence).toMatchObject({ runId, runEpoch: 2n });
  losses = 1;
  await expect(key.write(ended(fence))).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  const { revision } = granted(await key.write(ended(fence)));
  expect(revision).toBe(5n);
  expect((await turn(key)).runEpoch).toBe(3n);
  expect(told).toEqual({ written: 1, outdated: 2 });
});

test("of a batch those stand whose keys did not change", async () => {
  const { engine, tenant, told } = await served();
  const keys = Array.from({ length: 12 }, (_, n) => asks(engine, tenant, `agent:main:k${n}`));
  await Promise.all(keys.map((key) => key.reserve()));
  await Promise.all(keys.map((key) => turn(key)));
  told.written = 0;
  const elsewhere = replica();
  for (const n of [3, 7]) {
    granted(await elsewhere.of(tenant, `agent:main:k${n}`).rotate(`reset ${n}`));
  }
  const begun = await Promise.all(keys.map((key) => key.begin(systemIds.uuid())));
  const generations = begun.map((answer) => fenceOf(answer).generation);
  expect(generations).toEqual(keys.map((_, n) => (n === 3 || n === 7 ? 2n : 1n)));
  expect(told).toEqual({ written: 10, outdated: 2 });
});
test("watchers hear of what was written, also where the rest of its batch fails", async () => {
  const inner = database.open();
  let defects = 0;
  const { engine, tenant, key, told, changes } = await served({
    ...inner,
    transaction: async (work, options) => {
      defects -= 1;
      if (defects === 0) throw new Error("a defect");
      return inner.transaction(work, options);
    },
  });
  const other = asks(engine, tenant, "agent:main:other");
  granted(await other.reserve());
  changes.length = 0;
  defects = 1;
  const runId = systemIds.uuid();
  const [begun, standing] = await Promise.all([key.begin(runId), other.reserve()]);
  expect(fenceOf(begun).runId).toBe(runId);
  granted(standing);
  expect(told.written).toBe(1);
  expect(changes).toEqual(["changes"]);
});

test("watchers are woken for nothing where nothing was written", async () => {
  const { key, told, tenant, changes } = await served();
  await turn(replica().of(tenant), systemIds.uuid());
  const holder = fenceOf(await replica().of(tenant).begin(systemIds.uuid()));
  changes.length = 0;
  expect(await key.begin(systemIds.uuid())).toMatchObject({ reason: "SESSION_BUSY" });
  expect(told).toEqual({ written: 0, outdated: 1 });
  expect(changes).toEqual([]);
  expect(holder.runEpoch).toBe(3n);
});
