import type { DeliveryClient } from "@lanekeeper/client";
import { OnUnknown } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { LanekeeperError } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import { eventually, gate, startTelegramServer, type TelegramServer } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  applyAccounts,
  chatRoute,
  enqueueParts,
  file,
  TELEGRAM,
  text,
  TOKENS,
} from "../../testing/chat.ts";
import { IdentityStandIn } from "../../testing/identity-stand-in.ts";
import { untilState } from "../../testing/replies.ts";
import {
  QUICK,
  SECRET,
  startTestDelivery,
  type TestDelivery,
} from "../../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../../testing/test-schemas.ts";

let schemas: TestSchemas;
let identity: IdentityStandIn;
let telegram: TelegramServer;
let delivery: TestDelivery;
let runner: DeliveryClient;

/** Far enough apart to be told from chance, near enough for a test. */
const PACE = { directMs: 10, groupMs: 250 };

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  telegram = await startTelegramServer(TOKENS.TELEGRAM_TOKEN);
  const telegramUrl = new URL(`${telegram.origin}/`);
  const limits = { ...QUICK, telegramPace: PACE };
  delivery = await startTestDelivery(await schemas.open(), identity, {
    ...{ telegramUrl, env: TOKENS, limits },
  });
  const tenant = systemIds.uuid();
  await applyAccounts(delivery.as("cli", tenant));
  runner = delivery.as("runner", tenant);
});
afterEach(async () => {
  const shown = JSON.stringify(delivery.log.lines);
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
  await telegram[Symbol.asyncDispose]();
  await schemas.giveBack();
  expect(shown).not.toContain(TOKENS.TELEGRAM_TOKEN);
});

const PLACE = { ...TELEGRAM, address: "4242" };
const SEND = "sendMessage";
const send = async (value: string, onUnknown?: OnUnknown) =>
  enqueueParts(runner, await chatRoute(runner, PLACE, onUnknown), systemIds.uuid(), [text(value)]);
const texts = () => telegram.messages.map((message) => message.text);

test("a reply goes to its chat and topic", async () => {
  const routeId = await chatRoute(runner, { ...PLACE, address: "-1004242", threadId: "77" });
  const deliveryId = await enqueueParts(runner, routeId, "turn-1", [text("hello")]);
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(telegram.messages).toMatchObject([
    { chat_id: "-1004242", message_thread_id: "77", text: "hello" },
  ]);
  expect(sent.providerMessageId).toBe("1");
});

test("a long reply is cut below 4,096 UTF-16 units, never inside a pair, and none of it is lost", async () => {
  const long = "👩‍👩‍👧‍👦".repeat(1_000);
  await untilState(runner, await send(long), "SENT");
  expect(texts().length).toBeGreaterThan(2);
  expect(texts().every((piece) => piece.length <= 4_096)).toBe(true);
  expect(texts().every((piece) => piece.startsWith("👩") && piece.endsWith("👦"))).toBe(true);
  expect(texts().join("")).toBe(long);
});

test.each([
  [400, "Bad Request: chat not found"],
  [403, "Forbidden: bot was blocked by the user"],
])("%i is for good", async (error_code, description) => {
  telegram.next(SEND, { status: error_code, answer: { ok: false, error_code, description } });
  const dead = await untilState(runner, await send("hello"), "FAILED");
  expect(dead).toMatchObject({
    attemptCount: 1,
    lastError: `Telegram answered ${error_code}: ${description}`,
  });
});

test("429 is waited out as retry_after says, by every route to the chat", async () => {
  const parameters = { retry_after: 3_600 };
  telegram.next(SEND, { status: 429, answer: { ok: false, error_code: 429, parameters } });
  const deliveryId = await send("hello");
  const due = async (id: string) => {
    const { delivery: found } = await runner.getDelivery({ deliveryId: id });
    if (found === undefined || found.attemptCount === 0 || found.state !== 1) return undefined;
    return Number(found.nextAttemptTime?.seconds ?? 0n) - Date.now() / 1_000;
  };
  expect(await eventually(() => due(deliveryId))).toBeGreaterThan(3_500);
  const topic = await chatRoute(runner, { ...PLACE, threadId: "5" });
  const other = await enqueueParts(runner, topic, "turn-2", [text("hello")]);
  expect(await eventually(() => due(other))).toBeGreaterThan(3_500);
  expect(telegram.of(SEND)).toHaveLength(1);
  const { attempts } = await runner.getDelivery({ deliveryId: other });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["paced"]);
});

test("messages to a group keep their distance, whatever routes send there; other chats do not wait", async () => {
  const group = { ...TELEGRAM, address: "-77" };
  const routes = await Promise.all(
    ["1", "2", "3", "4"].map((threadId) => chatRoute(runner, { ...group, threadId })),
  );
  const ids = await Promise.all(
    routes.map((routeId, index) => enqueueParts(runner, routeId, `t-${index}`, [text("x")])),
  );
  await untilState(runner, await send("direct"), "SENT");
  for (const id of ids) await untilState(runner, id, "SENT");
  const times = telegram.messages.filter(({ chat_id }) => chat_id === "-77").map((m) => m.atMs);
  // Four turns are three pauses; what one of them started late does not shorten the whole.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(PACE.groupMs);
});

test.each([
  ["Unauthorized", 401],
  ["Not Found", 404],
])("%s: replies wait for another token, in their order", async (description, error_code) => {
  const routeId = await chatRoute(runner, PLACE);
  telegram.always(SEND, {
    ...{ status: error_code, answer: { ok: false, error_code, description } },
  });
  const ids = [
    await enqueueParts(runner, routeId, "t-1", [text("one")]),
    await enqueueParts(runner, routeId, "t-2", [text("two")]),
  ];
  await eventually(async () => {
    const { delivery: found } = await runner.getDelivery({ deliveryId: ids[0] ?? "" });
    return (found?.attemptCount ?? 0) > 1 && found?.state === 1;
  });
  telegram.always(SEND, undefined);
  for (const id of ids) await untilState(runner, id, "SENT");
  expect(texts()).toEqual(["one", "two"]);
});

const MOVED = {
  status: 400,
  answer: {
    ok: false,
    error_code: 400,
    description: "Bad Request: group chat was upgraded to a supergroup chat",
    parameters: { migrate_to_chat_id: -100_777 },
  },
};
const GROUP = { ...TELEGRAM, address: "-777" };

test("a group that has become a supergroup: what waits goes there, in order, and the names are one", async () => {
  const routeId = await chatRoute(runner, GROUP);
  const hold = gate();
  telegram.next(SEND, { ...MOVED, gate: hold });
  const ids: string[] = [];
  for (const said of ["one", "two", "three"]) {
    ids.push(await enqueueParts(runner, routeId, said, [text(said)]));
  }
  hold.open();
  for (const id of ids) await untilState(runner, id, "SENT");
  expect(telegram.messages.map(({ chat_id, text: said }) => [chat_id, said])).toEqual([
    ["-100777", "one"],
    ["-100777", "two"],
    ["-100777", "three"],
  ]);
  expect(telegram.of(SEND)).toHaveLength(4);
  expect(identity.equivalences).toEqual(["main -777 = -100777"]);
  const { attempts } = await runner.getDelivery({ deliveryId: ids[0] ?? "" });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "moved"]);
  // An event from the new chat finds the same route, so that its reply goes behind what waits there.
  expect(await chatRoute(runner, { ...GROUP, address: "-100777" })).toBe(routeId);
  const { changes } = await runner.listRouteChanges({ routeId });
  expect(changes[0]).toMatchObject({
    note: "the conversation became -100777",
    route: { address: "-100777" },
  });
  expect(changes.at(-1)).toMatchObject({ note: "registered", route: { address: "-777" } });
});

test("where the supergroup has a route already, what waits for the group goes there too", async () => {
  const fresh = await chatRoute(runner, { ...GROUP, address: "-100777" });
  const routeId = await chatRoute(runner, GROUP);
  telegram.next(SEND, MOVED);
  await untilState(runner, await enqueueParts(runner, routeId, "t-1", [text("one")]), "SENT");
  await untilState(runner, await enqueueParts(runner, fresh, "t-2", [text("two")]), "SENT");
  expect(telegram.messages.map(({ chat_id }) => chat_id)).toEqual(["-100777", "-100777"]);
});

test("nothing moves before the names are one; what an operator has to merge holds no reply", async () => {
  const answers = ["SESSION_BUSY", "ALIAS_CONFLICT"] as const;
  let asked = 0;
  identity.beforeEquivalence = () => {
    const reason = answers[asked++];
    if (reason !== undefined) throw new LanekeeperError(reason, "not now");
  };
  telegram.next(SEND, MOVED);
  telegram.next(SEND, MOVED);
  const deliveryId = await enqueueParts(runner, await chatRoute(runner, GROUP), "t-1", [text("x")]);
  await untilState(runner, deliveryId, "SENT");
  expect(telegram.messages).toMatchObject([{ chat_id: "-100777" }]);
  const { attempts } = await runner.getDelivery({ deliveryId });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "moved", "failed"]);
});

test.each([
  ["resend", OnUnknown.RESEND, "SENT", 2],
  ["hold", OnUnknown.HOLD, "UNKNOWN", 1],
] as const)(
  "accepted, and the answer cut: Telegram cannot be asked, so %s decides",
  async (_, policy, state, count) => {
    telegram.next(SEND, { cut: "after" });
    await untilState(runner, await send("hello", policy), state);
    expect(telegram.messages).toHaveLength(count);
  },
);

test("500 does not tell whether it was done", async () => {
  telegram.next(SEND, { status: 500, answer: { ok: false, error_code: 500 } });
  const held = await untilState(runner, await send("hello", OnUnknown.HOLD), "UNKNOWN");
  expect(held.attemptCount).toBe(2);
});

test("files go as documents, pictures as photos, and as documents where Telegram does not take them so", async () => {
  const routeId = await chatRoute(runner, PLACE);
  const answer = {
    ok: false,
    error_code: 400,
    description: "Bad Request: PHOTO_INVALID_DIMENSIONS",
  };
  telegram.next("sendPhoto", {});
  telegram.next("sendPhoto", { status: 400, answer });
  const deliveryId = await enqueueParts(runner, routeId, "turn-1", [
    text("here you are"),
    file(Buffer.from("one"), "image/png", "a.png"),
    file(Buffer.from("two"), "image/jpeg", "b.jpg"),
    file(Buffer.from("three"), "application/pdf", "ü.pdf"),
    { content: { case: "fileUri", value: "https://files.example/c" }, fileName: "c" },
  ]);
  await untilState(runner, deliveryId, "SENT");
  const shown = telegram.messages.map(({ text: said, file: sent }) =>
    sent === undefined ? said : `${sent.kind} ${sent.name} ${sent.type} ${sent.bytes.toString()}`,
  );
  expect(shown).toEqual([
    "here you are",
    "photo a.png image/png one",
    "document b.jpg image/jpeg two",
    "document ü.pdf application/pdf three",
    "c: https://files.example/c",
  ]);
});

test("what did not get through is told to people in front of the next reply", async () => {
  const routeId = await chatRoute(runner, PLACE);
  const answer = { ok: false, error_code: 400, description: "Bad Request" };
  telegram.next(SEND, { status: 400, answer });
  const first = await enqueueParts(runner, routeId, "turn-1", [text("one")]);
  await untilState(runner, first, "FAILED");
  const second = await enqueueParts(runner, routeId, "turn-2", [text("two")]);
  await untilState(runner, second, "SENT");
  expect(texts()).toEqual(["(A message before this one could not be delivered.)\n\ntwo"]);
});
