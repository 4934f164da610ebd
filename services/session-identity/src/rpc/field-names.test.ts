import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { begin, failure, fenceOf } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { byRun, ended, open, raw, reset, startPair } from "../testing/pair.ts";

/**
 * What users of other systems reported about who a key is, each shown not to happen here. Numbers are
 * those of the public issue trackers; what concerns names alone stands in the published vectors.
 */
const database = testDatabase();

test("openclaw #84575, mastra #21906, adk-python #4751: a second run never forks the conversation with an empty memory", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const raws = ["dixie:finn:chan_42", "agent:main:dixie:finn:chan_42"];
  const [byRaw, qualified] = [
    await open(client, raws[0] ?? ""),
    await open(elsewhere.client, raws[1] ?? ""),
  ];
  expect(qualified).toEqual(byRaw);
  const first = fenceOf(await runner.beginRun(begin(byRaw.sessionKey)));
  expect((await failure(elsewhere.runner.beginRun(begin(byRaw.sessionKey)))).reason).toBe(
    "SESSION_BUSY",
  );
  await runner.writeLifecycle({ ...byRun(first), event: ended });
  const second = fenceOf(await elsewhere.runner.beginRun(begin(byRaw.sessionKey)));
  expect(second.session).toEqual(first.session);
});

test("four simultaneous first requests on a fresh key are all answered with one session, in every one of six rounds", async () => {
  const { client, elsewhere } = await startPair(database);
  for (let round = 0; round < 6; round += 1) {
    const name = `fresh-${round}`;
    const callers = [client, elsewhere.client, client, elsewhere.client];
    const refs = await Promise.all(callers.map((caller) => open(caller, name)));
    expect(new Set(refs.map(({ sessionId }) => sessionId)).size).toBe(1);
  }
});

test("vercel/eve #624: of two quick first messages neither loses the session under it", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const [one, two] = await Promise.all([open(client, "quick"), open(elsewhere.client, "quick")]);
  expect(two).toEqual(one);
  const answers = await Promise.allSettled([
    runner.beginRun(begin(one.sessionKey)),
    elsewhere.runner.beginRun(begin(two.sessionKey)),
  ]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  const held = answers.find((answer) => answer.status === "fulfilled");
  expect(held?.value.fence?.session).toEqual(one);
});

test("openclaw #142616: an upper-case ULID key works the second time, on every replica and for every call", async () => {
  const { client, runner, elsewhere } = await startPair(database);
  const name = "agent:main:01J9Z8Q6W7K4M2N5P3R0S1T8VX";
  const written = await open(client, name);
  expect(written.sessionKey).toBe(name);
  for (const each of [client, elsewhere.client]) {
    expect(await open(each, name)).toEqual(written);
    const session = { case: "sessionKey", value: name } as const;
    expect((await each.getSession({ session })).session?.ref).toEqual(written);
  }
  const fence = fenceOf(await runner.beginRun(begin(name)));
  await elsewhere.runner.writeLifecycle({ ...byRun(fence), event: ended });
  const folded = await open(client, name.toLowerCase());
  expect(folded.sessionId).not.toBe(written.sessionId);
});

test("openclaw #102313: users whose ids differ in case alone are never served one another's session", async () => {
  const { client } = await startPair(database);
  const peers: [string, string, string][] = [
    ...[["matrix", "@Alice:example.org", ""] as [string, string, string]],
    ["line", "U4AF4980629", "bot"],
    ["wechat", "oGZUI0egBJY1zhBYw2KhdUfwVJJE", "app"],
    ["openai", "User-A", ""],
  ];
  for (const [channel, peerId, accountId] of peers) {
    const ids = [];
    for (const id of [peerId, peerId.toLowerCase()]) {
      const value = { channel, accountId, kind: PeerKind.DIRECT, peerId: id };
      const { session } = await client.resolveSession({ name: { case: "peer", value } });
      ids.push(session?.ref?.sessionId);
    }
    expect(new Set(ids).size, channel).toBe(2);
  }
});

test("openclaw: a reset, or any other rotation, changes the session id always and the generation by one", async () => {
  const { client, runner } = await startPair(database);
  let before = await open(client, "chat");
  const first = before.sessionId;
  const ways = [
    { reason: RotationReason.RESET },
    { reason: RotationReason.COMPACTION },
    { reason: RotationReason.MIGRATION },
    { reason: RotationReason.RESTORE, sourceSessionId: first },
    { reason: RotationReason.FORK, sourceSessionId: first },
    { reason: RotationReason.REPLAY, sourceSessionId: first, sourceThroughTurnId: "turn" },
  ];
  const seen = new Set([first]);
  for (const way of ways) {
    await runner.rotateSession(reset(before.sessionKey, way));
    const after = await open(client, "chat");
    expect(seen.has(after.sessionId), `reason ${way.reason}`).toBe(false);
    expect(after.generation).toBe(before.generation + 1n);
    seen.add(after.sessionId);
    before = after;
  }
});

test("openclaw #11040: where a session came from is told, through every fork, restore and replay", async () => {
  const { client } = await startPair(database);
  const { sessionKey, sessionId } = await open(client, "chat");
  const from = { sourceSessionId: sessionId };
  await client.rotateSession(reset(sessionKey));
  await client.rotateSession(reset(sessionKey, { reason: RotationReason.RESTORE, ...from }));
  await open(client, "branch");
  const branch = "agent:main:branch";
  const replay = { reason: RotationReason.REPLAY, ...from, sourceThroughTurnId: "turn-3" };
  await client.rotateSession(reset(branch, replay));
  await client.rotateSession(reset(branch, { reason: RotationReason.COMPACTION }));
  const parents = async (key: string) =>
    (await client.listRotations({ sessionKey: key })).rotations.map(
      ({ parentSessionId, parentThroughTurnId }) => [parentSessionId, parentThroughTurnId],
    );
  expect(await parents(sessionKey)).toEqual([
    [sessionId, ""],
    ["", ""],
  ]);
  const replayed = (await client.listRotations({ sessionKey: branch })).rotations[0]?.previous;
  expect(await parents(branch)).toEqual([
    [replayed?.sessionId, ""],
    [sessionId, "turn-3"],
  ]);
});

test("openclaw #94175, #91927: which session a request hit, and why, can be asked by the request's own label", async () => {
  const { client } = await startPair(database);
  const labelled = {
    requestId: "label-7",
    traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`,
  };
  const { session } = await client.resolveSession(raw("chat"), labelled);
  const { entries } = await client.listJournal({ requestId: "label-7" });
  expect(entries).toMatchObject([
    { operation: "reserve", rawKey: "chat", sessionKey: session?.ref?.sessionKey, generation: 1n },
  ]);
  expect(entries[0]?.sessionId).toBe(session?.ref?.sessionId);
  const explained = await client.explainKey(raw("chat"));
  expect(explained.steps.map(({ rule }) => rule)).toContain("canonical-form");
  expect(explained.session?.ref).toEqual(session?.ref);
});
