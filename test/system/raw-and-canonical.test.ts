import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";
import { keptDataDir } from "../support/data-dir.ts";
import { spoken } from "../support/transcript.ts";

const RAW = "conversation:pair:user_a::user_b:space:space_123";
const CANONICAL = `agent:main:${RAW}`;

let model: Awaited<ReturnType<typeof startModelServer>>;
let data: Awaited<ReturnType<typeof keptDataDir>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  model = await startModelServer({ text: "ok" });
  data = await keptDataDir();
  lanekeeper = await startConstellation({ model, dataDir: data.path });
});
afterAll(async () => {
  await lanekeeper?.stop();
  await data?.[Symbol.asyncDispose]();
  await model?.[Symbol.asyncDispose]();
});

function asks(messages: readonly { readonly content?: unknown }[], text: string): boolean {
  return messages.some(({ content }) => JSON.stringify(content).includes(text));
}

async function resolve(rawKey: string): Promise<string> {
  const answer = await lanekeeper.call("identity.v1.SessionIdentityService/ResolveSession", {
    rawKey,
  });
  return (answer["session"] as { ref: { sessionId: string } }).ref.sessionId;
}

/** A turn of another session whose model sends into `key` with the tool `sessions_send`. */
async function sendFromAnotherSession(key: string, message: string) {
  model.next({
    toolCalls: [{ id: "c1", name: "sessions_send", arguments: { session_key: key, message } }],
  });
  model.next({ text: `reply to ${message}` });
  model.next({ text: "sent" });
  const before = model.requests.length;
  await say(openAi(lanekeeper), `sender:${message}`, "send it");
  const toolMessage = model.requests[before + 2]?.messages.find(({ role }) => role === "tool");
  return JSON.parse(String(toolMessage?.content)) as { session_id: string; reply: string };
}

test("raw, qualified and nested sends reach one session id, in any order", async () => {
  const client = openAi(lanekeeper);
  const nestedFirst = await sendFromAnotherSession(CANONICAL, "nested one");
  expect(nestedFirst.reply).toBe("reply to nested one");
  const raw = await say(client, RAW, "by raw key");
  const qualified = await say(client, CANONICAL, "by canonical key");
  const nestedRaw = await sendFromAnotherSession(RAW, "nested two");
  const ids = [
    nestedFirst.session_id,
    raw.receipt.session_id,
    qualified.receipt.session_id,
    nestedRaw.session_id,
    await resolve(RAW),
    await resolve(CANONICAL),
  ];
  expect(new Set(ids).size).toBe(1);
  expect((await spoken(lanekeeper, CANONICAL)).filter((line) => line.startsWith("user"))).toEqual([
    "user: nested one",
    "user: by raw key",
    "user: by canonical key",
    "user: nested two",
  ]);
});

test("two that turn out to be one are merged: busy while it runs; then what waited runs at the survivor", async () => {
  const client = openAi(lanekeeper);
  const [moves, stays] = ["agent:main:moves", "agent:main:stays"];
  const survivor = (await say(client, stays, "first of stays")).receipt.session_id;
  await say(client, moves, "once in moves");
  const answering = gate();
  model.next({ gate: answering, text: "never heard" });
  const cut = say(client, moves, "first of moves").catch((error: unknown) => error);
  await eventually(() => model.requests.some(({ messages }) => asks(messages, "first of moves")));
  const waiting = say(client, moves, "second of moves");
  const depth = async () => {
    const { lane } = await lanekeeper.call("runner.v1.RunnerService/GetLane", {
      sessionKey: moves,
    });
    return (lane as { depth?: number } | undefined)?.depth === 1;
  };
  await eventually(depth, { what: "the second waits" });

  const merge = (request: object) =>
    lanekeeper.call("identity.v1.SessionIdentityService/MergeSessions", {
      ...{ sessionKey: moves, survivorSessionKey: stays, note: "one person" },
      ...request,
    });
  await expect(merge({ requestId: "m-1" })).rejects.toMatchObject({ reason: "SESSION_BUSY" });
  await merge({ requestId: "m-2", interruptActiveRun: true });
  expect(await cut).toMatchObject({ status: 409 });
  const { receipt } = await waiting;
  answering.open();
  expect(receipt).toMatchObject({ session_key: stays, session_id: survivor });
  expect(await resolve(moves)).toBe(survivor);
  expect((await spoken(lanekeeper, stays)).filter((line) => line.startsWith("user"))).toEqual([
    "user: first of stays",
    "user: second of moves",
  ]);
  // What was said before the merge stays where it was said.
  expect(await spoken(lanekeeper, moves)).toContain("user: once in moves");
});

test("what a first message got answered under another spelling of its peer is known to who it turns out to be", async () => {
  const client = openAi(lanekeeper);
  const peer = (peerId: string) => ({ channel: "webchat", kind: "PEER_KIND_DIRECT", peerId });
  const identity = (method: string, request: object) =>
    lanekeeper.call(`identity.v1.SessionIdentityService/${method}`, request);
  const keyOf = async (peerId: string): Promise<string> => {
    const { session } = await identity("ResolveSession", { peer: peer(peerId) });
    return (session as { ref: { sessionKey: string } }).ref.sessionKey;
  };
  const older = await keyOf("ada");
  const young = await keyOf("ada@phone");
  await say(client, older, "my name is Ada");
  await say(client, young, "my order is 4711");
  await identity("RegisterEquivalence", { peer: peer("ada@phone"), sameAs: peer("ada") });
  expect((await say(client, young, "where is it?")).receipt.session_key).toBe(older);
  const shown = model.requests.at(-1)?.messages ?? [];
  expect(shown.map(({ content }) => content).filter((text) => text !== "ok")).toEqual(
    expect.arrayContaining(["my name is Ada", "my order is 4711", "where is it?"]),
  );
  expect(await spoken(lanekeeper, older)).toEqual(
    ["my name is Ada", "my order is 4711", "where is it?"].flatMap((text) => [
      `user: ${text}`,
      "assistant: ok",
    ]),
  );
});

test("and again after a restart", async () => {
  const before = await resolve(RAW);
  await lanekeeper.stop();
  lanekeeper = await startConstellation({ model, dataDir: data.path });
  expect(await resolve(CANONICAL)).toBe(before);
  expect((await say(openAi(lanekeeper), RAW, "still here?")).receipt.session_id).toBe(before);
  expect((await sendFromAnotherSession(RAW, "nested three")).session_id).toBe(before);
  expect((await spoken(lanekeeper, CANONICAL)).filter((line) => line.startsWith("user"))).toEqual([
    "user: nested one",
    "user: by raw key",
    "user: by canonical key",
    "user: nested two",
    "user: still here?",
    "user: nested three",
  ]);
});
