import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { expect, test } from "vitest";
import { begin, fenceOf, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";
import { byRun, ended } from "../testing/pair.ts";
import { LIMITS } from "../limits.ts";

/** Who runs in a survivor is told which young sessions it has absorbed. */
const database = testDatabase();

const slack = (peerId: string, threadId = "") => ({
  ...{ channel: "slack", accountId: "T1", kind: PeerKind.DIRECT, peerId, threadId },
});

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const client = replica.client("ingress", { tenant, principal: "operator" });
  const runner = replica.client("runner", { tenant });
  const open = async (peer: ReturnType<typeof slack>) => {
    const { session } = await client.resolveSession({ name: { case: "peer", value: peer } });
    return { sessionKey: session?.ref?.sessionKey ?? "", sessionId: session?.ref?.sessionId ?? "" };
  };
  const standing = async (sessionKey: string) => {
    const by = { case: "sessionKey" as const, value: sessionKey };
    return (await client.getSession({ session: by })).session;
  };
  const absorbedBy = async (sessionKey: string) =>
    (await standing(sessionKey))?.absorbed.map(({ sessionId, intoSessionId }) => ({
      sessionId,
      intoSessionId,
    }));
  return { db, tenant, client, runner, open, standing, absorbedBy };
}

test("a run is told which sessions its key has absorbed, also where the key was decided by memory before", async () => {
  const { client, runner, open } = await start();
  const older = await open(slack("D1"));
  const young = await open(slack("U1"));
  for (let turn = 0; turn < 2; turn += 1) {
    const begun = await runner.beginRun(begin(older.sessionKey));
    expect(begun.session?.absorbed).toEqual([]);
    await runner.writeLifecycle({ ...byRun(fenceOf(begun)), event: ended });
  }
  await client.registerEquivalence({ peer: slack("U1"), sameAs: slack("D1") });
  const absorbed = { sessionId: young.sessionId, intoSessionId: older.sessionId };
  for (let turn = 0; turn < 2; turn += 1) {
    const begun = await runner.beginRun(begin(older.sessionKey));
    expect(begun.session?.absorbed).toMatchObject([absorbed]);
    await runner.writeLifecycle({ ...byRun(fenceOf(begun)), event: ended });
  }
});

test("what a session has absorbed goes on with it, and outlives resets", async () => {
  const { client, open, absorbedBy } = await start();
  const oldest = await open(slack("D1"));
  const middle = await open(slack("D2"));
  const young = await open(slack("D3"));
  await client.registerEquivalence({ peer: slack("D2"), sameAs: slack("D3") });
  await client.rotateSession({ sessionKey: oldest.sessionKey, reason: 1, requestId: "r1" });
  await client.registerEquivalence({ peer: slack("D1"), sameAs: slack("D2") });
  const now = (await open(slack("D1"))).sessionId;
  expect(now).not.toBe(oldest.sessionId);
  await client.rotateSession({ sessionKey: oldest.sessionKey, reason: 1, requestId: "r2" });
  expect(await absorbedBy(oldest.sessionKey)).toEqual([
    { sessionId: young.sessionId, intoSessionId: middle.sessionId },
    { sessionId: middle.sessionId, intoSessionId: now },
  ]);
  expect((await open(slack("D3"))).sessionKey).toBe(oldest.sessionKey);
});

test("a young thread that its peer's new name brings along is absorbed as well", async () => {
  const { client, open, absorbedBy } = await start();
  await open(slack("D1"));
  await open(slack("U1"));
  const older = await open(slack("D1", "17.1"));
  const young = await open(slack("U1", "17.1"));
  await client.registerEquivalence({ peer: slack("U1"), sameAs: slack("D1") });
  expect(await absorbedBy(older.sessionKey)).toEqual([
    { sessionId: young.sessionId, intoSessionId: older.sessionId },
  ]);
});

test("an operator's merge, and one into a named survivor, absorb nothing", async () => {
  const { client, open, absorbedBy } = await start();
  const [a, b, c] = [await open(slack("D1")), await open(slack("D2")), await open(slack("D3"))];
  await client.mergeSessions({
    ...{ sessionKey: b.sessionKey, survivorSessionKey: a.sessionKey, requestId: "m1" },
  });
  await client.linkPeer({ peer: slack("D1"), person: "ann" });
  await client.linkPeer({ peer: slack("D3"), person: "ann", survivorSessionKey: a.sessionKey });
  expect((await open(slack("D3"))).sessionKey).toBe(a.sessionKey);
  expect(c.sessionKey).not.toBe(a.sessionKey);
  expect(await absorbedBy(a.sessionKey)).toEqual([]);
});

test("of many that were absorbed the last are remembered", async () => {
  const { db, tenant, client, open, standing } = await start();
  const older = await open(slack("D1"));
  const young = await open(slack("U1"));
  const many = Array.from({ length: LIMITS.maxAbsorbed }, (_, n) => ({
    ...{ sessionId: `s${n}`, intoSessionId: older.sessionId },
  }));
  await db.query(
    "update session_keys set absorbed = $3::jsonb where tenant = $1 and session_key = $2",
    [tenant, older.sessionKey, JSON.stringify(many)],
  );
  await client.registerEquivalence({ peer: slack("U1"), sameAs: slack("D1") });
  const kept = (await standing(older.sessionKey))?.absorbed.map(({ sessionId }) => sessionId);
  expect(kept).toHaveLength(LIMITS.maxAbsorbed);
  expect(kept?.[0]).toBe("s1");
  expect(kept?.at(-1)).toBe(young.sessionId);
});
