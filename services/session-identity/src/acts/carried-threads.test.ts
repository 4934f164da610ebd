import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import type { Db } from "../store/db.ts";
import { carryLeftThreads } from "./carry-threads.ts";
import { begin, failure, fenceOf, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";
import { byRun, ended } from "../testing/pair.ts";

/** Threads go on under their peer's new name, whatever becomes of the process that was to see to it. */
const database = testDatabase();

const slack = (peerId: string, threadId = "") => ({
  ...{ channel: "slack", accountId: "T1", kind: PeerKind.DIRECT, peerId, threadId },
});
const named = (value: ReturnType<typeof slack>) => ({ name: { case: "peer", value } }) as const;
const EQUAL = { peer: slack("U1"), sameAs: slack("D1") };

/** A database that is gone once so many more transactions were committed; nobody gets anything of it then. */
function dying(inner: Db) {
  let left = Number.POSITIVE_INFINITY;
  const alive = <T>(work: () => Promise<T>): Promise<T> =>
    left > 0 ? work() : Promise.reject(new DatabaseUnavailableError("gone"));
  const db: Db = {
    ...inner,
    query: (...asked) => alive(() => inner.query(...asked)),
    transaction: (work, options) =>
      alive(async () => {
        const done = await inner.transaction(work, options);
        left -= 1;
        return done;
      }),
  };
  return { db, dieAfter: (transactions: number) => (left = transactions) };
}

async function twoReplicas() {
  const { db, dieAfter } = dying(database.open());
  const [mortal, other] = [await startReplica(db), await startReplica(database.open())];
  const tenant = await newTenant(other.client("cli"));
  const client = other.client("ingress", { tenant, principal: "operator" });
  const first = mortal.client("ingress", { tenant, principal: "operator" });
  const sessionOf = async (value: ReturnType<typeof slack>) =>
    (await client.resolveSession(named(value))).session?.ref;
  return { other, tenant, client, first, dieAfter, sessionOf };
}

test("threads whose equivalence was registered by a process that died then are carried when it is asked for again", async () => {
  const { first, client, dieAfter, sessionOf } = await twoReplicas();
  const before = await sessionOf(slack("D1", "17.1"));
  await first.resolveSession(named(slack("D1")));
  dieAfter(1);
  const lost = await failure(first.registerEquivalence(EQUAL, { retry: false }));
  expect(lost.reason).toBe("STORE_UNAVAILABLE");
  await client.registerEquivalence(EQUAL);
  expect(await sessionOf(slack("U1", "17.1"))).toEqual(before);
  expect(await sessionOf(slack("D1", "17.1"))).toEqual(before);
});

test("so are those of a person", async () => {
  const { first, client, dieAfter, sessionOf } = await twoReplicas();
  const before = await sessionOf(slack("D1", "17.1"));
  await first.resolveSession(named(slack("D1")));
  dieAfter(1);
  const link = { peer: slack("D1"), person: "ann" };
  expect((await failure(first.linkPeer(link, { retry: false }))).reason).toBe("STORE_UNAVAILABLE");
  await client.linkPeer(link);
  expect(await sessionOf(slack("D1", "17.1"))).toEqual(before);
});

test("a thread that somebody answers in under its new name is carried once that has ended", async () => {
  const { other, tenant, client, sessionOf } = await twoReplicas();
  const before = await sessionOf(slack("D1", "17.1"));
  const raced = await sessionOf(slack("U1", "17.1"));
  const runner = other.client("runner", { tenant });
  const fence = fenceOf(await runner.beginRun(begin(raced?.sessionKey ?? "")));
  await client.registerEquivalence(EQUAL);
  expect(await sessionOf(slack("U1", "17.1"))).toEqual(raced);
  await runner.writeLifecycle({ ...byRun(fence), event: ended });
  await client.registerEquivalence(EQUAL);
  expect(await sessionOf(slack("U1", "17.1"))).toEqual(before);
});

test("nobody has to ask again: what a process left, or a run held up, is carried by whichever replica", async () => {
  const { other, tenant, client, first, dieAfter, sessionOf } = await twoReplicas();
  const before = await sessionOf(slack("D1", "17.1"));
  const raced = await sessionOf(slack("U1", "17.1"));
  const runner = other.client("runner", { tenant });
  const fence = fenceOf(await runner.beginRun(begin(raced?.sessionKey ?? "")));
  await first.resolveSession(named(slack("D1")));
  dieAfter(1);
  await failure(first.registerEquivalence(EQUAL, { retry: false }));
  const db = database.open();
  const left = () => db.query("select from threads_to_carry where tenant = $1", [tenant]);
  const sweep = async () => {
    await db.query("update threads_to_carry set try_time = try_time - interval '1 minute'");
    await carryLeftThreads(other.context);
  };
  await sweep();
  expect((await left()).rowCount).toBe(1);
  await runner.writeLifecycle({ ...byRun(fence), event: ended });
  await carryLeftThreads(other.context);
  // Tried a moment ago, it waits its turn.
  expect((await left()).rowCount).toBe(1);
  await sweep();
  expect((await left()).rowCount).toBe(0);
  expect((await client.resolveSession(named(slack("U1", "17.1")))).session?.ref).toEqual(before);
});

test("the threads of a peer that has more of them than are carried at once are carried soon after, all of them", async () => {
  const { other, tenant, client, sessionOf } = await twoReplicas();
  const threads = Array.from({ length: LIMITS.maxThreadsPerPeer + 2 }, (_, n) => `17.${n}`);
  const ids = async (peerId: string, of: readonly string[]) => {
    const refs = await Promise.all(of.map((thread) => sessionOf(slack(peerId, thread))));
    return refs.map((ref) => ref?.sessionId);
  };
  const before = await ids("D1", threads);
  const db = database.open();
  await db.query("update key_bindings set last_seen_time = now() + random() * interval '1 s'");
  await client.registerEquivalence(EQUAL);
  await db.query("update threads_to_carry set try_time = try_time - interval '1 minute'");
  await carryLeftThreads(other.context);
  expect(await ids("U1", threads)).toEqual(before);
  const { rowCount } = await db.query("select from threads_to_carry where tenant = $1", [tenant]);
  expect(rowCount).toBe(0);
});

test("what cannot be carried for a day is left to an operator, and keeps no other from being carried", async () => {
  const { other, tenant, client, sessionOf } = await twoReplicas();
  await sessionOf(slack("D1", "17.1"));
  const raced = await sessionOf(slack("U1", "17.1"));
  const runner = other.client("runner", { tenant });
  await runner.beginRun(begin(raced?.sessionKey ?? ""));
  await client.registerEquivalence(EQUAL);
  const db = database.open();
  await db.query("update threads_to_carry set what = jsonb_set(what, '{before,party}', '1')");
  await db.query("update threads_to_carry set create_time = create_time - interval '25 hours'");
  const peer = slack("D2", "17.1");
  const before = await sessionOf(peer);
  await client.linkPeer({ peer: slack("D2"), person: "bob" });
  expect(await sessionOf(peer)).toEqual(before);
  const { rowCount } = await db.query("select from threads_to_carry where tenant = $1", [tenant]);
  expect(rowCount).toBe(0);
});
