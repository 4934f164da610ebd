import { timestampNow } from "@bufbuild/protobuf/wkt";
import { RotationReason, RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { keepHouse } from "../../housekeeping.ts";
import { LIMITS } from "../../limits.ts";
import { begin, failure, fenceOf, newTenant, runIdFor } from "../../testing/calls.ts";
import { testDatabase } from "../../testing/database.ts";
import { type IdentityClient, startReplica, testContext } from "../../testing/identity.ts";
import { holdAfter, untilWaiting } from "../../testing/locks.ts";
import { usageOf } from "../../testing/usage.ts";
import type { Db } from "../db.ts";
import { forgetMinted } from "./forget-minted.ts";

const database = testDatabase();
const never = new AbortController().signal;
const { mintedRetentionMs: RETENTION, mintedGraceMs: GRACE } = LIMITS;
const REPLICA = { usageShard: 3 };

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const runner = replica.client("runner", { tenant });
  const cli = replica.client("cli", { tenant });
  return { db, replica, tenant, runner, cli };
}

const nameOf = (mintedMs = Date.now()) => `agent:main:subagent:${runIdFor(mintedMs)}`;
const raw = (value: string) => ({ name: { case: "rawKey", value } }) as const;
const byKey = (value: string) => ({ session: { case: "sessionKey", value } }) as const;

async function mint(runner: IdentityClient, key = nameOf()) {
  const { session } = await runner.resolveSession({ ...raw(key), mint: true });
  return { key, sessionId: session?.ref?.sessionId ?? "" };
}

/** A run that came and went. */
async function run(runner: IdentityClient, key: string): Promise<void> {
  const value = fenceOf(await runner.beginRun(begin(key)));
  const event = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  await runner.writeLifecycle({ writer: { case: "run", value }, event });
}

async function rowsOf(db: Db, tenant: string, key: string) {
  const tables = ["session_keys", "generations", "key_bindings"];
  const counts = tables.map(async (table) => {
    const { rows } = await db.query<{ n: number }>(
      `select count(*)::int as n from ${table} where tenant = $1 and session_key = $2`,
      [tenant, key],
    );
    return rows[0]?.n;
  });
  return Promise.all(counts);
}

/** The quota as if the tenant held so many keys beside its own. */
async function fill(db: Db, tenant: string, keys: number): Promise<void> {
  await db.query(
    "insert into tenant_usage (tenant, shard, key_count, binding_count) values ($1, 99, $2, 0)",
    [tenant, keys],
  );
}

/** Everything that was done under a key was done so long before. */
async function age(db: Db, tenant: string, key: string, ms: number): Promise<void> {
  await db.query(
    `update session_keys set bind_time = bind_time - d, create_time = create_time - d, rotate_time = rotate_time - d,
       person_time = person_time - d, kept_until = kept_until - d, last_run = case when last_run is not null
       then last_run || jsonb_build_object('endMs', (last_run->>'endMs')::float8 - $3::float8) end
     from (select $3::float8 * interval '1 millisecond' as d) x
     where tenant = $1 and session_key = $2`,
    [tenant, key, ms],
  );
}

async function keptUntilMs(db: Db, tenant: string, key: string): Promise<number> {
  const { rows } = await db.query<{ kept_until: Date }>(
    "select kept_until from session_keys where tenant = $1 and session_key = $2",
    [tenant, key],
  );
  return rows[0]?.kept_until.getTime() ?? 0;
}

test("a tenant whose subagents came and went for as many keys as it may hold goes on once they are past retention", async () => {
  const { db, tenant, runner } = await start();
  await fill(db, tenant, LIMITS.maxKeysPerTenant - 2);
  const keys = [(await mint(runner)).key, (await mint(runner)).key];
  for (const key of keys) await run(runner, key);
  expect((await failure(mint(runner))).reason).toBe("QUOTA");

  for (const key of keys) await age(db, tenant, key, RETENTION + 1_000);
  const clock = new ManualClock(new Date());
  const stop = new AbortController();
  const house = keepHouse({ ...testContext(db), clock }, stop.signal);
  await clock.advance(2 * LIMITS.sweepEveryMs);
  await expect.poll(() => usageOf(db, tenant)).toMatchObject({ keys: LIMITS.maxKeysPerTenant - 2 });
  stop.abort();
  await house;
  for (const key of keys) expect(await rowsOf(db, tenant, key)).toEqual([0, 0, 0]);
  await mint(runner);
});

test("what is minted takes a key's room and no name's, and gives it back when it goes; what was not minted stays", async () => {
  const { db, tenant, runner, cli } = await start();
  const cron = "agent:main:cron:nightly";
  await runner.resolveSession(raw(cron));
  const { key } = await mint(runner);
  expect(await rowsOf(db, tenant, key)).toEqual([1, 1, 0]);
  expect(await usageOf(db, tenant)).toEqual({ keys: 2, names: 1 });
  // By another name too: no binding is written that would outlive the key.
  const other = await runner.resolveSession(raw(key.replace("agent:main:", "")));
  expect(other.session?.ref?.sessionKey).toBe(key);
  expect(await usageOf(db, tenant)).toEqual({ keys: 2, names: 1 });

  const gone = await forgetMinted(db, REPLICA, Date.now() + RETENTION + 1_000, never);
  expect(gone).toBeGreaterThan(0);
  expect(await rowsOf(db, tenant, key)).toEqual([0, 0, 0]);
  expect(await rowsOf(db, tenant, cron)).toEqual([1, 1, 1]);
  expect(await usageOf(db, tenant)).toEqual({ keys: 1, names: 1 });
  const { entries } = await cli.listJournal({ sessionKey: key });
  expect(entries[0]).toMatchObject({ operation: "forget_key", reason: "RETENTION" });
});

test("who names a key that went hears NOT_FOUND at every door, and nothing stands there again", async () => {
  const { db, tenant, runner, cli, replica } = await start();
  const { key, sessionId } = await mint(runner);
  const begun = begin(key);
  const value = fenceOf(await runner.beginRun(begun));
  const writer = { case: "run", value } as const;
  const ended = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  const answer = await runner.writeLifecycle({ writer, event: ended });
  await forgetMinted(db, REPLICA, Date.now() + RETENTION + 60_000, never);

  // What was recorded is told for its own retention.
  expect(await runner.writeLifecycle({ writer, event: ended })).toEqual(answer);
  const progress = { case: "progress", value: { phase: "model" } } as const;
  const late = { writer, eventSeq: 9n, event: progress };
  expect((await failure(runner.writeLifecycle(late))).reason).toBe("RUN_ENDED");
  const unknown = { case: "run", value: { ...value, runId: runIdFor(Date.now()) } } as const;
  const reset = { requestId: "r-1", sessionKey: key, reason: RotationReason.RESET };
  const delivery = replica.client("delivery", { tenant });
  const session = { sessionKey: key, sessionId, generation: 1n };
  const reply = { case: "reply", value: { session, turnId: "t", deliveryId: "d" } } as const;
  const sending = { case: "sending", value: { attempt: 1 } } as const;
  const calls = [
    runner.resolveSession(raw(key)),
    runner.resolveSession(raw(key.replace("agent:main:", ""))),
    runner.resolveSession({ ...raw(key), lookUpOnly: true }),
    runner.beginRun(begin(key)),
    runner.beginRun(begun),
    runner.writeLifecycle({ ...late, writer: unknown }),
    runner.checkFence({ writer }),
    runner.rotateSession(reset),
    delivery.writeLifecycle({ writer: reply, eventSeq: 1n, event: sending }),
    delivery.checkFence({ writer: reply }),
    cli.registerKey(raw(key)),
    cli.registerAlias({ aliasSessionKey: key, sessionKey: "agent:main:elsewhere" }),
    cli.registerAlias({ aliasSessionKey: "agent:main:elsewhere", sessionKey: key }),
  ];
  for (const error of await Promise.all(calls.map(failure))) {
    expect(error).toMatchObject({ reason: "NOT_FOUND" });
    expect(error.message).toContain("30 days after its last use");
  }
  for (const by of [byKey(key), { session: { case: "sessionId", value: sessionId } } as const]) {
    expect((await failure(runner.getSession(by))).reason).toBe("NOT_FOUND");
  }
  expect(await rowsOf(db, tenant, key)).toEqual([0, 0, 0]);
});

test("a name is minted once: not when its id is so old that it may have gone, nor by anybody else", async () => {
  const { db, tenant, runner, cli } = await start();
  const old = nameOf(Date.now() - LIMITS.mintedMaxAgeMs - 60_000);
  expect((await failure(mint(runner, old))).reason).toBe("NOT_FOUND");
  await mint(runner, nameOf(Date.now() - LIMITS.mintedMaxAgeMs + 60_000));
  const { key, sessionId } = await mint(runner);
  expect((await mint(runner, key)).sessionId).toBe(sessionId);

  const unseen = { ...raw(nameOf()), mint: true };
  expect((await failure(cli.resolveSession(unseen))).reason).toBe("PERMISSION_DENIED");
  const outside = { scopes: ["operator"] };
  expect((await failure(runner.resolveSession(unseen, outside))).reason).toBe("PERMISSION_DENIED");
  const person = await failure(runner.resolveSession({ ...raw("agent:main:shop"), mint: true }));
  expect(person).toMatchObject({ reason: "INVALID_REQUEST" });
  expect(await rowsOf(db, tenant, "agent:main:shop")).toEqual([0, 0, 0]);
});

test("a clock that is ahead keeps its keys for longer, so that they are not minted again", async () => {
  const { db, tenant, runner } = await start();
  const ahead = Date.now() + 5 * 86_400_000;
  const { key } = await mint(runner, nameOf(ahead));
  await forgetMinted(db, REPLICA, ahead + RETENTION - 60_000, never);
  expect(await rowsOf(db, tenant, key)).toEqual([1, 1, 0]);
  await forgetMinted(db, REPLICA, ahead + RETENTION + 60_000, never);
  expect(await rowsOf(db, tenant, key)).toEqual([0, 0, 0]);
});

test("a key stays for as long after its last use, and after a rotation", async () => {
  const { db, tenant, runner } = await start();
  const [spoken, rotated] = [(await mint(runner)).key, (await mint(runner)).key];
  for (const key of [spoken, rotated]) await age(db, tenant, key, RETENTION + 1_000);
  await run(runner, spoken);
  const reason = RotationReason.COMPACTION;
  await runner.rotateSession({ requestId: "c-1", sessionKey: rotated, reason });
  expect(await forgetMinted(db, REPLICA, Date.now(), never)).toBe(0);
  for (const key of [spoken, rotated]) {
    expect(await keptUntilMs(db, tenant, key)).toBeGreaterThan(Date.now() + RETENTION - 60_000);
  }
  await forgetMinted(db, REPLICA, Date.now() + RETENTION - 60_000, never);
  expect(await rowsOf(db, tenant, spoken)).toEqual([1, 1, 0]);
  // Its own generations read each other, and go together.
  expect(await rowsOf(db, tenant, rotated)).toEqual([1, 2, 0]);
  await forgetMinted(db, REPLICA, Date.now() + 2 * RETENTION, never);
  expect(await rowsOf(db, tenant, spoken)).toEqual([0, 0, 0]);
  expect(await rowsOf(db, tenant, rotated)).toEqual([0, 0, 0]);
});

test("a key that a run holds, that a reply is being sent from, or that another leads to or reads stays, and goes once that is over", async () => {
  const { db, tenant, runner, cli, replica } = await start();
  const minted = await Promise.all([1, 2, 3, 4, 5].map(() => mint(runner)));
  const [held, sending, aliased, read, merged] = minted;
  if (!held || !sending || !aliased || !read || !merged) throw new Error("five were minted");
  const fence = fenceOf(await runner.beginRun(begin(held.key)));
  const delivery = replica.client("delivery", { tenant });
  const session = { sessionKey: sending.key, sessionId: sending.sessionId, generation: 1n };
  const writer = { case: "reply", value: { session, turnId: "t", deliveryId: "d-1" } } as const;
  const sent = { case: "sending", value: { attempt: 1 } } as const;
  await delivery.writeLifecycle({ writer, eventSeq: 1n, event: sent });
  await cli.registerAlias({ aliasSessionKey: "agent:main:nick", sessionKey: aliased.key });
  await runner.resolveSession(raw("agent:main:fork"));
  const fork = { reason: RotationReason.FORK, sourceSessionId: read.sessionId };
  await cli.rotateSession({ requestId: "f-1", sessionKey: "agent:main:fork", ...fork });
  await runner.resolveSession(raw("agent:main:into"));
  await cli.mergeSessions({
    ...{ requestId: "m-1", sessionKey: merged.key, survivorSessionKey: "agent:main:into" },
  });

  const later = Date.now() + 2 * RETENTION;
  await forgetMinted(db, REPLICA, later, never);
  for (const { key } of minted) expect((await rowsOf(db, tenant, key))[0]).toBe(1);
  expect(await keptUntilMs(db, tenant, held.key)).toBeGreaterThan(later);

  const ended = { case: "ended", value: { outcome: RunOutcome.FAILED } } as const;
  await runner.writeLifecycle({ writer: { case: "run", value: fence }, event: ended });
  const settled = { case: "settled", value: { state: 1 } } as const;
  await delivery.writeLifecycle({ writer, eventSeq: 2n, event: settled });
  await cli.removeAlias({ aliasSessionKey: "agent:main:nick" });
  await forgetMinted(db, REPLICA, later + 2 * RETENTION, never);
  for (const { key } of [held, sending, aliased]) {
    expect(await rowsOf(db, tenant, key)).toEqual([0, 0, 0]);
  }
  for (const { key } of [read, merged]) expect((await rowsOf(db, tenant, key))[0]).toBe(1);
});

test("who is told of a session that would go soon has a day to come with a turn", async () => {
  const { db, tenant, runner } = await start();
  const { key } = await mint(runner);
  await age(db, tenant, key, RETENTION - 1_000);
  const { session } = await runner.resolveSession(raw(key));
  expect(session?.ref).toMatchObject({ sessionKey: key, generation: 1n });
  expect(await keptUntilMs(db, tenant, key)).toBeGreaterThan(Date.now() + GRACE);
  await forgetMinted(db, REPLICA, Date.now() + GRACE, never);
  expect(await rowsOf(db, tenant, key)).toEqual([1, 1, 0]);
  await runner.beginRun(begin(key, { acceptTime: timestampNow() }));
  // A look alone keeps nothing.
  const looked = await mint(runner);
  await age(db, tenant, looked.key, RETENTION - 1_000);
  await runner.resolveSession({ ...raw(looked.key), lookUpOnly: true });
  expect(await keptUntilMs(db, tenant, looked.key)).toBeLessThan(Date.now() + GRACE);
});

test("who meets a key as it goes hears that it is gone, not that there is no room, and makes no other", async () => {
  const { db, tenant, runner } = await start();
  const { key } = await mint(runner);
  await age(db, tenant, key, RETENTION - 1_000);
  const sweep = await holdAfter(db, async (tx) => {
    await tx.query("delete from session_keys where tenant = $1 and session_key = $2", [
      tenant,
      key,
    ]);
  });
  const asked = failure(runner.resolveSession(raw(key)));
  const began = failure(runner.beginRun(begin(key)));
  await untilWaiting(db, 1);
  await sweep.release();
  expect((await asked).reason).toBe("NOT_FOUND");
  expect((await began).reason).toBe("NOT_FOUND");
  expect((await rowsOf(db, tenant, key))[0]).toBe(0);
});

test("a key that somebody holds locked is left for another sweep, and sweeps of two replicas count each key once", async () => {
  const { db, tenant, runner } = await start();
  const minted = await Promise.all(Array.from({ length: 12 }, () => mint(runner)));
  const [held] = minted;
  if (held === undefined) throw new Error("twelve were minted");
  const lock = await holdAfter(db, async (tx) => {
    const sql = "select from session_keys where tenant = $1 and session_key = $2 for update";
    await tx.query(sql, [tenant, held.key]);
  });
  const later = Date.now() + RETENTION + 60_000;
  const other = database.open();
  await Promise.all([
    forgetMinted(db, REPLICA, later, never),
    forgetMinted(other, { usageShard: 4 }, later, never),
  ]);
  await forgetMinted(db, REPLICA, later, never);
  expect(await usageOf(db, tenant)).toEqual({ keys: 1, names: 0 });
  expect(await rowsOf(db, tenant, held.key)).toEqual([1, 1, 0]);
  await lock.release();
  await forgetMinted(db, REPLICA, later, never);
  expect(await usageOf(db, tenant)).toEqual({ keys: 0, names: 0 });
});

test("the names of an earlier release's keys go with them, and a sweep that is stopped takes nothing", async () => {
  const { db, tenant, runner } = await start();
  const { key } = await mint(runner);
  await db.query(
    `insert into key_bindings (tenant, agent_id, kind, name, session_key, rule_set_version, source,
       first_seen_time, last_seen_time)
     values ($1, 'main', 'raw', $2, $2, 1, 'resolve', now(), now())`,
    [tenant, key],
  );
  const later = Date.now() + RETENTION + 60_000;
  expect(await forgetMinted(db, REPLICA, later, AbortSignal.abort())).toBe(0);
  await forgetMinted(db, REPLICA, later, never);
  expect(await rowsOf(db, tenant, key)).toEqual([0, 0, 0]);
  expect(await usageOf(db, tenant)).toEqual({ keys: 0, names: -1 });
});
