import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import type { Db } from "../store/db.ts";
import { sweep } from "../store/upkeep/sweep.ts";
import { failure } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { DbClock } from "../testing/drive/db-clock.ts";
import type { TestReplica } from "../testing/identity.ts";
import { watchedTenant } from "../testing/watching.ts";
import { readHistory } from "../store/feed/read-changes.ts";
import { Feed, type FeedParts } from "./feed.ts";
import type { WatchQuestion } from "./question.ts";
import { parseSnapshot } from "./snapshot.ts";
import { encodeToken } from "./token.ts";
import { watch } from "./watch.ts";

/** What a watch can no longer know is told, and not left out. */
const database = testDatabase();

const never = new AbortController().signal;
const KEPT_MS = LIMITS.changeRetentionMs + LIMITS.changeMarginMs;

/** A watch that is read when the test asks, however long after its last event. */
function slowly({ context }: TestReplica, tenant: string, change: Partial<WatchQuestion> = {}) {
  const question: WatchQuestion = {
    ...{ tenant, prefix: "", agents: [], keyPrefixes: [], resumeToken: "", skipSnapshot: false },
    ...{ stopWhenTold: false, untilToken: "", bookmarkMs: 50, rotationsOnly: false, ...change },
  };
  const { db: query, feed, clock } = context;
  const events = watch({ query, feed, clock }, question, never);
  return async () => {
    const { value } = await events.next();
    if (value === undefined) throw new Error("the watch ended");
    return value;
  };
}

async function someKeys(db: Db, tenant: string, count: number): Promise<void> {
  await db.query(
    `insert into session_keys (tenant, session_key, agent_id, rule_set_version, source, bind_time,
       session_id, generation, create_time, rotate_time, revision)
     select $1, 'agent:main:k' || lpad(n::text, 4, '0'), 'main', 1, 'test', now(), gen_random_uuid(), 1,
       now(), now(), 1
     from generate_series(1, $2::int) n`,
    [tenant, count],
  );
}

/** A crash took so many transaction ids back, which had been given out and left nothing on disk. */
const TAKEN_BACK = 50n;

test("what is written under transaction ids that a crash took back is told, and once", async () => {
  const { replica, tenant, resolve } = await watchedTenant(database.open());
  const { db } = replica.context;
  await resolve("a");
  const { historyId, snapshot, nowMs: atMs } = await readHistory(db);
  const xmax = snapshot.xmax + TAKEN_BACK;
  const from = parseSnapshot(`${xmax}:${xmax}:`, snapshot.newest);
  if (from === undefined) throw new Error("no snapshot");
  const resumeToken = encodeToken(historyId, { from, partial: undefined, atMs });
  await resolve("b");
  for (let id = 0n; id <= TAKEN_BACK; id += 1n) await db.query("select pg_current_xact_id()");
  const next = slowly(replica, tenant, { resumeToken });
  const told = [await next(), await next()];
  await resolve("c");
  for (let event = told.at(-1); event?.kind === "bookmark"; ) told.push((event = await next()));
  expect(
    told.flatMap((one) => (one.kind === "changed" ? [one.change.state.sessionKey] : [])),
  ).toEqual(["agent:main:b", "agent:main:c"]);
});

const EXPIRED = { reason: "RESUME_TOKEN_EXPIRED" };

test("fences that are raised between a snapshot and the changes behind it cut the watch off", async () => {
  const { replica, tenant, resolve } = await watchedTenant(database.open());
  await resolve("a");
  const next = slowly(replica, tenant);
  expect([(await next()).kind, (await next()).kind]).toEqual(["snapshot", "snapshot_end"]);
  await replica.client("cli").raiseFences({ requestId: "between" }, { tenant: "" });
  expect(await failure(next())).toMatchObject(EXPIRED);
});

test("fences that are raised while a snapshot is read cut it off: its first half is of before", async () => {
  const { replica, tenant } = await watchedTenant(database.open());
  await someKeys(replica.context.db, tenant, LIMITS.watchPageRows + 1);
  const next = slowly(replica, tenant);
  await next();
  await replica.client("cli").raiseFences({ requestId: "within" }, { tenant: "" });
  const rest = async () => {
    for (let left = LIMITS.watchPageRows + 1; left > 0; left -= 1) await next();
  };
  expect(await failure(rest())).toMatchObject(EXPIRED);
});

async function onMovedClock() {
  const clock = new DbClock();
  const watched = await watchedTenant(clock.on(database.open()));
  /** So long passes that what was changed until now is swept away. */
  const outlive = async () => {
    clock.advance(KEPT_MS + 60_000);
    await sweep(watched.replica.context.db, clock.nowMs(), never);
  };
  return { ...watched, outlive };
}

test("a snapshot whose reader stops for longer than changes are kept is cut off", async () => {
  const { replica, tenant, client, reset, outlive } = await onMovedClock();
  await someKeys(replica.context.db, tenant, 2);
  expect((await client.listSessions({})).sessions).toHaveLength(2);
  const next = slowly(replica, tenant);
  await next();
  await reset("k0001", "1");
  await outlive();
  expect((await next()).kind).toBe("snapshot");
  expect(await failure(next())).toMatchObject(EXPIRED);
});

test("a watcher who does not read on behind its snapshot for so long is cut off", async () => {
  const { replica, tenant, resolve, reset, outlive } = await onMovedClock();
  await resolve("a");
  const next = slowly(replica, tenant);
  expect([(await next()).kind, (await next()).kind]).toEqual(["snapshot", "snapshot_end"]);
  await reset("a", "1");
  await outlive();
  expect(await failure(next())).toMatchObject(EXPIRED);
});

test("who goes on from a token and stops between two pages for so long is cut off", async () => {
  const { replica, tenant, resolve, outlive } = await onMovedClock();
  const start = await slowly(replica, tenant, { skipSnapshot: true })();
  const names = Array.from({ length: LIMITS.watchPageRows + 1 }, (_, n) => `n${n}`);
  await Promise.all(names.map(resolve));
  if (!("token" in start)) throw new Error("a bookmark has a token");
  const next = slowly(replica, tenant, { resumeToken: start.token });
  await next();
  await outlive();
  const rest = async () => {
    for (let left = names.length; left > 0; left -= 1) await next();
  };
  expect(await failure(rest())).toMatchObject(EXPIRED);
});

test("a replica that stood still for longer than changes are kept, its own clock too, cuts its watchers off", async () => {
  const clock = new ManualClock();
  let nowMs = 1;
  const rows = () => [{ history_id: "h", snapshot: "10:10:", now_ms: nowMs, change_id: null }];
  const query = () => Promise.resolve({ rows: rows(), rowCount: 1 });
  const { log } = captureLog();
  const feed = new Feed({ query: { query }, clock, log } as unknown as FeedParts);
  const told: string[] = [];
  const fail = ({ message }: Error) => told.push(message);
  await feed.listen({ rotationsOnly: false, batch: () => told.push("batch"), fail });
  await clock.advance(LIMITS.watchPollMs);
  // A machine that is suspended counts no monotonic time.
  nowMs += KEPT_MS;
  await clock.advance(LIMITS.watchPollMs);
  expect(told).toEqual(["batch", expect.stringContaining("cut off")]);
  await feed.close();
});
