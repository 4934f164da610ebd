import type { DeliveryClient } from "@lanekeeper/client";
import { OnUnknown } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { systemIds } from "@lanekeeper/service";
import { eventually, gate, type SlackServer, startSlackServer } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { DeliveryDatabase } from "../../store/sql.ts";
import {
  applyAccounts,
  chatRoute,
  enqueueParts,
  file,
  SLACK,
  text,
  TOKENS,
} from "../../testing/chat.ts";
import { IdentityStandIn } from "../../testing/identity-stand-in.ts";
import { untilState } from "../../testing/replies.ts";
import { SECRET, startTestDelivery, type TestDelivery } from "../../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../../testing/test-schemas.ts";

let schemas: TestSchemas;
let db: DeliveryDatabase;
let identity: IdentityStandIn;
let slack: SlackServer;
let delivery: TestDelivery;
let runner: DeliveryClient;

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  db = await schemas.open();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  slack = await startSlackServer(TOKENS.SLACK_TOKEN);
  delivery = await startTestDelivery(db, identity, {
    slackUrl: new URL(slack.apiUrl),
    env: TOKENS,
  });
  const tenant = systemIds.uuid();
  await applyAccounts(delivery.as("cli", tenant));
  runner = delivery.as("runner", tenant);
});
afterEach(async () => {
  const shown = JSON.stringify(delivery.log.lines);
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await schemas.giveBack();
  expect(shown).not.toContain(TOKENS.SLACK_TOKEN);
});

const PLACE = { ...SLACK, address: "C0123", threadId: "1503435956.000247" };
const POST = "chat.postMessage";
const COMPLETE = "files.completeUploadExternal";
const send = async (value: string, onUnknown?: OnUnknown) =>
  enqueueParts(runner, await chatRoute(runner, PLACE, onUnknown), systemIds.uuid(), [text(value)]);
const texts = () => slack.messages.map((message) => message.text);
const PICTURE = file(Buffer.from("picture"), "image/png", "a.png");

test("a reply is posted into its thread, with what it is as metadata, and cannot notify a channel", async () => {
  const deliveryId = await send("a < b & <!channel>");
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(slack.messages).toMatchObject([
    {
      channel: "C0123",
      thread_ts: "1503435956.000247",
      text: "a &lt; b &amp; &lt;!channel&gt;",
      metadata: {
        event_type: "lanekeeper_reply",
        event_payload: { delivery_id: deliveryId, piece: 1 },
      },
    },
  ]);
  expect(sent.providerMessageId).toBe(slack.messages[0]?.ts);
  await eventually(() => identity.of(deliveryId).length === 2);
  expect(identity.of(deliveryId)).toEqual(["sending 1", "settled 1"]);
});

test("a long reply goes in pieces, in order, each fenced; a retry does not send again what was taken", async () => {
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index} ${"x".repeat(50)}\n`);
  slack.next(POST, {});
  slack.next(POST, { answer: { ok: false, error: "service_unavailable" } });
  const deliveryId = await send(lines.join(""));
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(texts().join("")).toBe(lines.join(""));
  expect(texts().every((piece) => piece.length <= 4_000 && piece.endsWith("\n"))).toBe(true);
  expect(sent).toMatchObject({ pieceCount: 3, acceptedPieces: 3 });
  expect(slack.of(POST)).toHaveLength(4);
  await eventually(() => identity.of(deliveryId).at(-1) === "settled 1");
  expect(identity.of(deliveryId)).toEqual([
    ...["sending 1", "sending 2", "settled 2", "sending 3", "sending 4", "settled 1"],
  ]);
});

test("a reset between two pieces lets no more of them out, and the rest is UNKNOWN", async () => {
  const holding = gate();
  slack.next(POST, { gate: holding });
  const deliveryId = await send("y".repeat(9_000));
  await slack.call(POST, 0);
  identity.oldestDeliverable = 2n;
  holding.open();
  const ended = await untilState(runner, deliveryId, "UNKNOWN");
  expect(ended.acceptedPieces).toBe(1);
  expect(slack.messages).toHaveLength(1);
});

test.each(["channel_not_found", "not_in_channel", "is_archived", "missing_scope"])(
  "%s is for good: a dead letter at the first attempt",
  async (error) => {
    slack.next(POST, { answer: { ok: false, error } });
    const dead = await untilState(runner, await send("hello"), "FAILED");
    expect(dead).toMatchObject({ attemptCount: 1, lastError: `Slack answered ${error}` });
  },
);

test.each(["invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"])(
  "%s: replies wait for another token, in their order, and none of them dies",
  async (error) => {
    slack.always(POST, { answer: { ok: false, error } });
    const ids = [await send("one"), await send("two")];
    const tried = await eventually(async () => {
      const { delivery: found } = await runner.getDelivery({ deliveryId: ids[0] ?? "" });
      return (found?.attemptCount ?? 0) > 1 && found;
    });
    expect(tried.lastError).toBe(`Slack answered ${error}`);
    slack.always(POST, undefined);
    for (const id of ids) await untilState(runner, id, "SENT");
    expect(texts()).toEqual(["one", "two"]);
  },
);

test("what perhaps arrived waits for another token too, and is looked for then", async () => {
  slack.next(POST, { cut: "after" });
  slack.next("conversations.replies", { answer: { ok: false, error: "token_revoked" } });
  await untilState(runner, await send("hello", OnUnknown.HOLD), "SENT");
  expect(texts()).toEqual(["hello"]);
});

test("an error that holds more than text is told on one line, and ends its delivery", async () => {
  slack.next(POST, { answer: { ok: false, error: "odd\0\u001b[2J\nerror" } });
  const dead = await untilState(runner, await send("hello"), "FAILED");
  expect(dead.lastError).toBe("Slack answered odd [2J error");
});

test("ratelimited is waited out as Retry-After says", async () => {
  const headers = { "retry-after": "3600" };
  slack.next(POST, { status: 429, headers, answer: { ok: false, error: "ratelimited" } });
  const deliveryId = await send("hello");
  const waiting = await eventually(async () => {
    const { delivery: found } = await runner.getDelivery({ deliveryId });
    return found?.attemptCount === 1 && found.lastError !== "" && found;
  });
  const dueS = Number(waiting.nextAttemptTime?.seconds ?? 0n);
  expect(dueS - Date.now() / 1_000).toBeGreaterThan(3_500);
});

test("posted, and the answer cut: a look into the thread tells, and it is not posted again", async () => {
  slack.next(POST, { cut: "after" });
  const sent = await untilState(runner, await send("hello", OnUnknown.HOLD), "SENT");
  expect(texts()).toEqual(["hello"]);
  expect(sent.providerMessageId).toBe(slack.messages[0]?.ts);
  const { attempts } = await runner.getDelivery({ deliveryId: sent.deliveryId });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "unknown"]);
});

test("cut before it was posted: the look tells that it is not there, and it is posted, even under hold", async () => {
  slack.next(POST, { cut: "before" });
  await untilState(runner, await send("hello", OnUnknown.HOLD), "SENT");
  expect(texts()).toEqual(["hello"]);
});

test("internal_error may have been done: looked up like a cut", async () => {
  slack.next(POST, { answer: { ok: false, error: "internal_error" } });
  const sent = await untilState(runner, await send("hello"), "SENT");
  expect(slack.of("conversations.replies")).toHaveLength(1);
  expect(sent.attemptCount).toBe(2);
});

test.each([
  ["hold", OnUnknown.HOLD, "UNKNOWN", 1],
  ["resend", OnUnknown.RESEND, "SENT", 2],
] as const)(
  "where Slack lets nobody look, the policy %s decides",
  async (_, policy, state, posts) => {
    slack.always("conversations.replies", { answer: { ok: false, error: "missing_scope" } });
    slack.next(POST, { cut: "after" });
    await untilState(runner, await send("hello", policy), state);
    expect(slack.messages).toHaveLength(posts);
  },
);

test("a look that is ratelimited is made again; nothing is posted blindly meanwhile", async () => {
  const answer = { ok: false, error: "ratelimited" };
  slack.next("conversations.replies", { status: 429, headers: { "retry-after": "0" }, answer });
  slack.next(POST, { cut: "after" });
  await untilState(runner, await send("hello"), "SENT");
  expect(texts()).toEqual(["hello"]);
  expect(slack.of("conversations.replies")).toHaveLength(2);
});

test("bytes and data URIs are uploaded and shared where the reply goes; a link stays a link", async () => {
  const uri = `data:text/plain;base64,${Buffer.from("from a tool").toString("base64")}`;
  const routeId = await chatRoute(runner, PLACE);
  const deliveryId = await enqueueParts(runner, routeId, "turn-1", [
    text("here you are"),
    PICTURE,
    { content: { case: "fileUri", value: uri }, mediaType: "", fileName: "b.txt" },
    { content: { case: "fileUri", value: "https://files.example/c" }, fileName: "c" },
  ]);
  await untilState(runner, deliveryId, "SENT");
  const shown = slack.messages.map(({ text: said, file: shared, channel, thread_ts }) => [
    `${channel} ${thread_ts}`,
    said || `${shared?.title}: ${shared?.bytes.toString("utf8")}`,
  ]);
  const where = "C0123 1503435956.000247";
  expect(shown).toEqual([
    [where, "here you are"],
    [where, "a.png: picture"],
    [where, "b.txt: from a tool"],
    [where, "c: https://files.example/c"],
  ]);
});

test("a reply to a user that was cut is looked for in the direct message with them", async () => {
  const routeId = await chatRoute(runner, { ...SLACK, address: "U0777" }, OnUnknown.HOLD);
  slack.next(POST, { cut: "after" });
  const first = await enqueueParts(runner, routeId, "turn-1", [text("one")]);
  const sent = await untilState(runner, first, "SENT");
  slack.next(POST, { cut: "before" });
  await untilState(runner, await enqueueParts(runner, routeId, "turn-2", [text("two")]), "SENT");
  expect(slack.messages.map(({ channel, text: said }) => [channel, said])).toEqual([
    ["D0777", "one"],
    ["D0777", "two"],
  ]);
  expect(sent.providerMessageId).toBe(slack.messages[0]?.ts);
});

test("where the direct message may not be opened nothing can tell, and the policy decides", async () => {
  slack.always("conversations.open", { answer: { ok: false, error: "missing_scope" } });
  slack.next(POST, { cut: "after" });
  const routeId = await chatRoute(runner, { ...SLACK, address: "U0777" }, OnUnknown.HOLD);
  const deliveryId = await enqueueParts(runner, routeId, "turn-1", [text("one")]);
  const held = await untilState(runner, deliveryId, "UNKNOWN");
  expect(held.lastError).toContain("Slack answered missing_scope");
  expect(slack.messages).toHaveLength(1);
});

test("a file for a user is shared in the direct message with them, once though the answer was cut", async () => {
  slack.next(COMPLETE, { cut: "after" });
  const routeId = await chatRoute(runner, { ...SLACK, address: "W0777" }, OnUnknown.HOLD);
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [PICTURE]), "SENT");
  expect(slack.messages).toMatchObject([{ channel: "D0777", file: { title: "a.png" } }]);
});

test("a file that was shared before the answer was cut is not uploaded or shared again", async () => {
  slack.next(COMPLETE, { cut: "after" });
  const routeId = await chatRoute(runner, PLACE, OnUnknown.HOLD);
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [PICTURE]), "SENT");
  expect(slack.messages).toHaveLength(1);
  expect(slack.of("files.getUploadURLExternal")).toHaveLength(1);
  expect(slack.of("files.info")).toHaveLength(1);
});

test("a file that was not shared is shared with the upload that there is; one that is gone is uploaded anew", async () => {
  slack.next(COMPLETE, { cut: "before" });
  slack.next(COMPLETE, { answer: { ok: false, error: "file_not_found" } });
  const routeId = await chatRoute(runner, PLACE);
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [PICTURE]), "SENT");
  expect(slack.messages.map(({ file: shared }) => shared?.id)).toEqual(["F2"]);
});

test("an upload that fails has no effect and is tried again", async () => {
  slack.next("upload", { status: 500 });
  const routeId = await chatRoute(runner, PLACE, OnUnknown.HOLD);
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [PICTURE]), "SENT");
  expect(slack.messages).toHaveLength(1);
});

test("without an account, or a token, the reply waits for the configuration", async () => {
  const routeId = await chatRoute(runner, { ...PLACE, accountId: "T9999" });
  const deliveryId = await enqueueParts(runner, routeId, "turn-1", [text("hello")]);
  const waiting = await eventually(async () => {
    const { delivery: found } = await runner.getDelivery({ deliveryId });
    return found !== undefined && found.attemptCount > 1 && found;
  });
  expect(waiting.lastError).toBe("the account T9999 is not configured");
  expect(slack.calls).toEqual([]);
});

test("while Slack is down nothing is perhaps sent", async () => {
  await slack[Symbol.asyncDispose]();
  const deliveryId = await send("hello", OnUnknown.HOLD);
  await eventually(async () => {
    const { attempts } = await runner.getDelivery({ deliveryId });
    return attempts.filter(({ outcome }) => outcome === "failed").length > 1;
  });
  expect(identity.of(deliveryId)).toEqual([]);
});
