import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Decision } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import {
  RotationReason,
  StaleFenceSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { begin, failure, fenceOf, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();
const KEY = "agent:main:chat";

async function start() {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const ingress = replica.client("ingress", { tenant, principal: "alice" });
  const [runner, delivery] = [
    replica.client("runner", { tenant }),
    replica.client("delivery", { tenant }),
  ];
  const open = (value: string) => ingress.resolveSession({ name: { case: "rawKey", value } });
  const reset = (requestId: string) =>
    ingress.rotateSession({ requestId, sessionKey: KEY, reason: RotationReason.RESET });
  return { replica, tenant, ingress, runner, delivery, open, reset };
}

test("a session that stood there before is found by its id, with the rotation that brought it", async () => {
  const { ingress, open, reset } = await start();
  const first = (await open("chat")).session?.ref;
  const second = (await reset("1")).rotation;
  await reset("2");
  const byId = (value = "") => ingress.getSession({ session: { case: "sessionId", value } });
  const born = await byId(first?.sessionId);
  expect(born.session?.ref?.generation).toBe(3n);
  expect(born.rotation).toBeUndefined();
  expect((await byId(second?.current?.sessionId)).rotation).toEqual(second);
});

test("pages of sessions and rotations are whole and in order, and a token is of its own question", async () => {
  const { ingress, runner, open, reset } = await start();
  for (const name of ["c", "a", "chat", "b"]) await open(name);
  for (const id of ["1", "2", "3"]) await reset(id);
  const keys: (string | undefined)[] = [];
  let pageToken = "";
  do {
    const page = await ingress.listSessions({ pageSize: 3, pageToken });
    keys.push(...page.sessions.map(({ ref }) => ref?.sessionKey));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
    const other = ingress.listSessions({ pageSize: 3, pageToken, runningOnly: true });
    expect((await failure(other)).reason).toBe("INVALID_REQUEST");
  } while (pageToken !== "");
  expect(keys).toEqual(["agent:main:a", "agent:main:b", "agent:main:c", KEY]);
  const first = await ingress.listRotations({ sessionKey: KEY, pageSize: 2 });
  const rest = await ingress.listRotations({
    sessionKey: KEY,
    pageSize: 2,
    pageToken: first.nextPageToken,
  });
  const generations = [...first.rotations, ...rest.rotations].map(
    ({ current }) => current?.generation,
  );
  expect(generations).toEqual([4n, 3n, 2n]);
  expect(rest.nextPageToken).toBe("");
  await runner.beginRun(begin("agent:main:b"));
  const running = await ingress.listSessions({ runningOnly: true });
  expect(running.sessions.map(({ ref }) => ref?.sessionKey)).toEqual(["agent:main:b"]);
});

test("the journal is found by key, request, trace and turn, and tells who asked and what was shown", async () => {
  const { ingress, runner, open } = await start();
  await open("chat");
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const request = begin(KEY, { turnId: "turn-1" });
  const run = fenceOf(
    await runner.beginRun(request, {
      requestId: "req-7",
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    }),
  );
  const refused = await failure(runner.beginRun(begin(KEY, { turnId: "turn-2" })));
  expect(refused.reason).toBe("SESSION_BUSY");
  const entry = (await ingress.listJournal({ requestId: "req-7" })).entries[0];
  expect(entry).toMatchObject({
    operation: "begin_run",
    decision: Decision.ACCEPTED,
    sessionKey: KEY,
    turnId: "turn-1",
    current: run,
    source: "runner",
    requestId: "req-7",
    traceId,
    ruleSetVersion: 1,
    count: 1,
  });
  expect((await ingress.listJournal({ traceId })).entries).toEqual([entry]);
  expect((await ingress.listJournal({ turnId: "turn-1" })).entries).toEqual([entry]);
  const { entries } = await ingress.listJournal({ sessionKey: KEY, refusedOnly: true });
  expect(entries).toMatchObject([
    {
      operation: "begin_run",
      decision: Decision.REFUSED,
      reason: "SESSION_BUSY",
      turnId: "turn-2",
    },
  ]);
});

test("the journal's pages are whole, newest first", async () => {
  const { ingress, open, reset } = await start();
  await open("chat");
  for (const id of ["1", "2", "3", "4"]) await reset(id);
  const first = await ingress.listJournal({ sessionKey: KEY, pageSize: 3 });
  const pageToken = first.nextPageToken;
  const rest = await ingress.listJournal({ sessionKey: KEY, pageSize: 3, pageToken });
  const operations = [...first.entries, ...rest.entries].map(({ operation }) => operation);
  expect(operations).toEqual(["rotate", "rotate", "rotate", "rotate", "reserve"]);
});

test("CheckFence says what a write would be told, and writes nothing", async () => {
  const { ingress, runner, delivery, open, reset } = await start();
  await open("chat");
  const run = fenceOf(await runner.beginRun(begin(KEY)));
  const reply = { session: run.session, turnId: "t", deliveryId: "d" };
  const [byRun, byReply] = [
    { case: "run", value: run } as const,
    { case: "reply", value: reply } as const,
  ];
  expect((await runner.checkFence({ writer: byRun })).session?.activeRun?.runId).toBe(run.runId);
  await delivery.checkFence({ writer: byReply });
  const { rotation } = await reset("1");
  for (const [client, writer] of [
    [runner, byRun],
    [delivery, byReply],
  ] as const) {
    const error = await failure(client.checkFence({ writer }));
    expect(error.reason).toBe("STALE_GENERATION");
    expect(error.detail(StaleFenceSchema)?.cause).toEqual(rotation);
  }
  expect((await ingress.listJournal({ sessionKey: KEY, refusedOnly: true })).entries).toEqual([]);
});

test("a reply's way: claimed, settled, and counted where a reset came between", async () => {
  const { delivery, runner, open, reset } = await start();
  await open("chat");
  const run = fenceOf(await runner.beginRun(begin(KEY)));
  const writer = {
    case: "reply",
    value: { session: run.session, turnId: "t", deliveryId: "d" },
  } as const;
  const sending = { case: "sending", value: { attempt: 1 } } as const;
  const first = await delivery.writeLifecycle({ writer, eventSeq: 1n, event: sending });
  expect((await reset("1")).rotation?.perhapsSentCount).toBe(1);
  const sent = {
    case: "settled",
    value: { state: ReplyState.SENT, providerMessageId: "m" },
  } as const;
  await delivery.writeLifecycle({ writer, eventSeq: 2n, event: sent });
  expect(await delivery.writeLifecycle({ writer, eventSeq: 1n, event: sending })).toEqual(first);
  expect((await reset("2")).rotation?.perhapsSentCount).toBe(0);
});

test("the calls of a turn travel as frames of one stream, with the same answers", async () => {
  const { replica, tenant, open } = await start();
  await open("chat");
  const runner = replica.client("runner", { tenant });
  // Calls have requests of their own until the stream is open.
  const transports = async () => {
    await runner.resolveSession({ name: { case: "rawKey", value: "chat" } });
    return replica.transports();
  };
  await expect.poll(transports).toContain("exchange");
  const run = fenceOf(await runner.beginRun(begin(KEY)));
  await runner.checkFence({ writer: { case: "run", value: run } });
  expect((await failure(runner.beginRun(begin(KEY)))).reason).toBe("SESSION_BUSY");
});
