import { randomUUID } from "node:crypto";
import { DmScope, PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { expect, test } from "vitest";
import { LIMITS } from "../../limits.ts";
import { LastSeen } from "../../names/last-seen.ts";
import { keepHouse } from "../../housekeeping.ts";
import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { failure, newTenant } from "../../testing/calls.ts";
import { testDatabase } from "../../testing/database.ts";
import { startReplica, testContext } from "../../testing/identity.ts";
import type { Db } from "../db.ts";
import { sweep } from "./sweep.ts";

const database = testDatabase();
const KEPT_CHANGES_MS = LIMITS.changeRetentionMs + LIMITS.changeMarginMs;
const never = new AbortController().signal;

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const client = replica.client("ingress", { tenant });
  const resolve = (value: string) => client.resolveSession({ name: { case: "rawKey", value } });
  return { db, tenant, client, resolve };
}

async function count(db: Db, table: string, tenant: string): Promise<number> {
  const { rows } = await db.query<{ n: bigint }>(
    `select count(*) as n from ${table} where tenant = $1`,
    [tenant],
  );
  return Number(rows[0]?.n);
}

test("what is past retention goes; keys, names and generations stay for ever", async () => {
  const { db, tenant, resolve } = await start();
  await resolve("chat");
  const held = ["session_keys", "key_bindings", "generations"];
  const passing = ["journal", "session_changes"];
  const before = await Promise.all(held.map((table) => count(db, table, tenant)));
  await sweep(db, Date.now(), never);
  for (const table of passing) expect(await count(db, table, tenant)).toBeGreaterThan(0);
  await sweep(db, Date.now() + LIMITS.changeRetentionMs + LIMITS.changeMarginMs + 1_000, never);
  expect(await count(db, "session_changes", tenant)).toBe(0);
  expect(await count(db, "journal", tenant)).toBeGreaterThan(0);
  await sweep(db, Date.now() + LIMITS.journalRetentionMs + 1_000, never);
  expect(await count(db, "journal", tenant)).toBe(0);
  expect(await Promise.all(held.map((table) => count(db, table, tenant)))).toEqual(before);
});

test("a replica whose own clock is ahead takes away nothing that is kept, and what is past all the same", async () => {
  const { db, tenant, client, resolve } = await start();
  const stream = client.watchSessions({ skipSnapshot: true, stopWhenTold: true });
  const { value: first } = await stream[Symbol.asyncIterator]().next();
  await resolve("young");
  await db.query(
    `insert into session_changes (tenant, session_key, agent_id, state, create_time)
     values ($1, 'agent:main:old', 'main', '{}', now() - interval '2 hours')`,
    [tenant],
  );
  const clock = new ManualClock(new Date(Date.now() + 2 * KEPT_CHANGES_MS));
  const stop = new AbortController();
  const house = keepHouse({ ...testContext(db), clock }, stop.signal);
  await clock.advance(2 * LIMITS.sweepEveryMs);
  await expect.poll(() => count(db, "session_changes", tenant)).toBeLessThan(2);
  stop.abort();
  await house;
  const resumed = client.watchSessions({
    resumeToken: first?.resumeToken ?? "",
    stopWhenTold: true,
  });
  const told: (string | undefined)[] = [];
  for await (const { event } of resumed) told.push(event.case);
  expect(told).toEqual(["changed", "bookmark"]);
});

test("a replica that stops sweeps no further", async () => {
  const { db, tenant, resolve } = await start();
  await resolve("chat");
  const stopped = AbortSignal.abort();
  await sweep(db, Date.now() + LIMITS.journalRetentionMs + 1_000, stopped);
  expect(await count(db, "journal", tenant)).toBeGreaterThan(0);
});

test("last_seen is written once an hour at most, and only for names that were used", async () => {
  const { db, tenant, resolve } = await start();
  await resolve("old");
  await resolve("new");
  await db.query(
    `update key_bindings set last_seen_time = now() - interval '2 hours'
     where tenant = $1 and name = 'old'`,
    [tenant],
  );
  const lastSeen = new LastSeen(db, captureLog().log);
  const name = (text: string) => ({ tenant, agentId: "main", kind: "raw", name: text }) as const;
  const now = Date.now();
  lastSeen.note(name("old"), now - 2 * LIMITS.lastSeenEveryMs, now);
  lastSeen.note(name("new"), now, now);
  const before = await seenTimes(db, tenant);
  await lastSeen.flush();
  const after = await seenTimes(db, tenant);
  expect(after.get("old")).toBeGreaterThan(before.get("old") ?? 0);
  expect(after.get("new")).toBe(before.get("new"));
});

async function seenTimes(db: Db, tenant: string): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ name: string; last_seen_time: Date }>(
    "select name, last_seen_time from key_bindings where tenant = $1",
    [tenant],
  );
  return new Map(rows.map((row) => [row.name, row.last_seen_time.getTime()]));
}

test("a tenant's keys are counted, and one over quota is refused and makes nothing", async () => {
  const { db, tenant, client, resolve } = await start();
  await resolve("one");
  await resolve("two");
  const held = await db.query(
    "select sum(key_count) as keys, sum(binding_count) as bindings from tenant_usage where tenant = $1",
    [tenant],
  );
  expect(held.rows).toEqual([{ keys: "2", bindings: "2" }]);
  await db.query(
    "insert into tenant_usage (tenant, shard, key_count, binding_count) values ($1, 99, $2, $2)",
    [tenant, LIMITS.maxKeysPerTenant],
  );
  const refused = await failure(resolve("three"));
  expect(refused.reason).toBe("QUOTA");
  expect(refused.retryAfterMs).toBe(LIMITS.quotaRetryMs);
  const name = { case: "rawKey", value: randomUUID() } as const;
  expect((await failure(client.registerKey({ name }))).reason).toBe("QUOTA");
  expect(await count(db, "session_keys", tenant)).toBe(2);
  await resolve("one");
});

test("a tenant's names are counted also where they lead to one key, and one over quota is refused and bound to nothing", async () => {
  const { db, tenant, client } = await start();
  await client.applyKeyPolicies({
    defaultAgentId: "main",
    policies: [{ agentId: "main", dmScope: DmScope.MAIN }],
  });
  const resolve = (peerId: string) =>
    client.resolveSession({
      name: {
        case: "peer",
        value: { channel: "matrix", kind: PeerKind.DIRECT, peerId },
      },
    });
  await resolve("@first:example.org");
  await db.query(
    "insert into tenant_usage (tenant, shard, key_count, binding_count) values ($1, 99, 0, $2)",
    [tenant, LIMITS.maxKeysPerTenant],
  );
  // All of them speak in agent:main:main; each is a row of the ledger that stays for ever.
  const refused = await failure(resolve("@second:example.org"));
  expect(refused).toMatchObject({
    reason: "QUOTA",
    retryAfterMs: LIMITS.quotaRetryMs,
    metadata: { limit: String(LIMITS.maxKeysPerTenant) },
  });
  expect(refused.message).toContain("names");
  // Nor is a key made for a name that is not bound to it.
  const name = { case: "rawKey", value: "another" } as const;
  expect((await failure(client.resolveSession({ name }))).reason).toBe("QUOTA");
  expect(await count(db, "key_bindings", tenant)).toBe(1);
  expect(await count(db, "session_keys", tenant)).toBe(1);
  // Names that are bound, and keys that are their own names, are no more rows.
  await resolve("@first:example.org");
  await client.resolveSession({ name: { case: "rawKey", value: "agent:main:main" } });
});
