import { setTimeout as sleep } from "node:timers/promises";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { errorDetail, later, LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import { gate, startTelegramServer, type TelegramServer } from "@lanekeeper/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { addAccount, CHANNEL_ENV, soon } from "../../testing/channels.ts";
import {
  DATE,
  GROUP,
  message,
  PHOTO,
  PRIVATE,
  SUPERGROUP,
  update,
} from "../../testing/telegram.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let telegram: TelegramServer;
let lane: TestIngress;

const BOT = {
  ...{ kind: ChannelKind.TELEGRAM, accountId: "helpdesk_bot", agentId: "helper" },
  ...{ secretEnv: "TELEGRAM_WEBHOOK_SECRET", tokenEnv: "TELEGRAM_BOT_TOKEN" },
} as const;

beforeEach(async () => {
  telegram = await startTelegramServer(CHANNEL_ENV.TELEGRAM_BOT_TOKEN);
  const telegramUrl = `${telegram.origin}/`;
  lane = await startTestIngress({ channelEnv: CHANNEL_ENV, telegramUrl });
  addAccount(lane, BOT);
});
afterEach(async () => {
  await lane[Symbol.asyncDispose]();
  await telegram[Symbol.asyncDispose]();
  expect(lane.log.text()).not.toContain(CHANNEL_ENV.TELEGRAM_BOT_TOKEN);
});

const post = (
  what: object | string,
  token: string = CHANNEL_ENV.TELEGRAM_WEBHOOK_SECRET,
  headers: Record<string, string> = {},
) =>
  ask(lane, {
    path: "/channels/telegram/helpdesk_bot",
    headers: { authorization: "", "x-telegram-bot-api-secret-token": token, ...headers },
    body: what,
  });

const hello = update(1000, message(PRIVATE, { text: "Hello" }));

describe("an update that is posted", () => {
  test("becomes a turn of its peer, whose replies go to its chat by its bot", async () => {
    expect(await post(hello)).toMatchObject({ status: 200, json: {} });
    expect(lane.runner.last.submit).toMatchObject({
      idempotencyKey: expect.stringMatching(/^telegram\/helpdesk_bot\/77\/9\/[0-9a-f]{16}$/),
      target: { value: { sessionKey: "agent:helper:telegram:helpdesk_bot:direct:77" } },
      messages: [{ senderId: "77", parts: [{ content: { value: "Hello" } }] }],
      origin: { source: "telegram", senderId: "77", externalMessageId: "77/9" },
    });
    const { TELEGRAM: kind } = RouteKind;
    expect(lane.delivery.registered).toMatchObject([
      { kind, accountId: "helpdesk_bot", address: "77", threadId: "", source: "telegram/1.0" },
    ]);
  });

  test("again is one turn", async () => {
    for (let i = 0; i < 3; i += 1) expect((await post(hello)).status).toBe(200);
    expect(lane.runner.turns).toHaveLength(1);
  });

  test("of a message to which somebody reacts is no second turn", async () => {
    await post(hello);
    const touched = message(PRIVATE, { text: "Hello", edit_date: DATE + 60 });
    expect((await post(update(1001, touched, "edited_message"))).status).toBe(200);
    expect(lane.runner.turns).toHaveLength(1);
  });

  test("of an album says so; an edit of one of its files does not", async () => {
    const photo = { photo: PHOTO, media_group_id: "13579" };
    await post(update(1, message(PRIVATE, photo)));
    expect(lane.runner.last.submit.origin).toMatchObject({ groupId: "13579" });
    const edited = message(PRIVATE, { ...photo, caption: "Look", edit_date: DATE });
    await post(update(2, edited, "edited_message"));
    expect(lane.runner.last.submit.origin).toMatchObject({ groupId: "" });
    await post(hello);
    expect(lane.runner.last.submit.origin).toMatchObject({ groupId: "" });
  });

  test("of an album whose file took long says that the next may take longer", async () => {
    telegram.files.set("docs/a.txt", Buffer.from("hi"));
    const document = { file_id: "docs/a.txt", file_unique_id: "A", file_name: "a.txt" };
    const hold = gate();
    telegram.next("file/docs/a.txt", { gate: hold });
    const posted = post(update(1, message(PRIVATE, { document, media_group_id: "13579" })));
    await telegram.call("file/docs/a.txt", 0);
    await sleep(300);
    hold.open();
    expect((await posted).status).toBe(200);
    const { groupQuiet } = lane.runner.last.submit.origin ?? {};
    const quietMs = groupQuiet === undefined ? 0 : durationMs(groupQuiet);
    expect(quietMs).toBeGreaterThan(1_000 + 2 * 290);
    expect(quietMs).toBeLessThanOrEqual(10_000);
    await post(hello);
    expect(lane.runner.last.submit.origin?.groupQuiet).toBeUndefined();
  });

  test("brings its file", async () => {
    telegram.files.set("docs/a.txt", Buffer.from("hi"));
    const document = { file_id: "docs/a.txt", file_unique_id: "A", file_name: "a.txt" };
    await post(update(1, message(PRIVATE, { document })));
    expect(lane.runner.last.submit.messages[0]?.parts).toMatchObject([
      { content: { value: { source: { case: "data", value: Buffer.from("hi") } } } },
    ]);
  });

  test("that cannot be accepted now comes again; one that never passes does not", async () => {
    lane.runner.refusal = storeUnavailable("away");
    expect((await post(hello)).status).toBe(503);
    lane.runner.refusal = new LanekeeperError("UNKNOWN_MODEL", "no such agent");
    expect((await post(hello)).status).toBe(200);
    expect(lane.runner.turns).toHaveLength(0);
    await soon(() => lane.requests.entries.length).toBe(2);
    expect(lane.requests.entries[1]).toMatchObject({ status: 200, reason: "UNKNOWN_MODEL" });
  });

  test("into a full lane is told to the person, in the chat, once", async () => {
    lane.runner.refusal = later("QUEUE_FULL", "128 turns wait", 1_000);
    for (let i = 0; i < 2; i += 1) expect((await post(hello)).status).toBe(200);
    const said = [...lane.delivery.said.values()];
    expect(said).toMatchObject([
      { parts: [{ content: { value: expect.stringContaining("Too many messages") } }] },
    ]);
  });

  test("of an album into a full lane is told once for all of it", async () => {
    lane.runner.refusal = later("QUEUE_FULL", "128 turns wait", 1_000);
    const album = (id: number, media_group_id: string) =>
      post(update(id, message(PRIVATE, { message_id: id, photo: PHOTO, media_group_id })));
    for (const id of [1, 2, 3]) expect((await album(id, "13579")).status).toBe(200);
    expect(lane.delivery.said.size).toBe(1);
    expect((await album(4, "24680")).status).toBe(200);
    expect(lane.delivery.said.size).toBe(2);
  });

  test("that a busy lane rejects, as its agent is told to, is told to the person once and does not come again", async () => {
    const details = [errorDetail(SessionBusySchema, { holder: { runId: "r" }, depth: 1 })];
    lane.runner.refusal = later("SESSION_BUSY", "a run holds the lane", 1_000, { details });
    for (let i = 0; i < 2; i += 1) expect((await post(hello)).status).toBe(200);
    expect([...lane.delivery.said.values()]).toMatchObject([
      { parts: [{ content: { value: expect.stringContaining("still being answered") } }] },
    ]);
    const metadata = { bound: "admission_attempts", limit: "5" };
    const changing = { details, metadata };
    lane.runner.refusal = later("SESSION_BUSY", "the lane changes too fast", 100, changing);
    expect((await post(update(1001, message(PRIVATE, { text: "Hi" })))).status).toBe(409);
    expect(lane.delivery.said.size).toBe(1);
  });

  test("of an upgrade makes both groups one, once in a while", async () => {
    await post(update(1, message(GROUP, { text: "Hi" })));
    const upgrade = update(2, message(GROUP, { migrate_to_chat_id: SUPERGROUP.id }));
    for (let i = 0; i < 2; i += 1) expect((await post(upgrade)).status).toBe(200);
    await post(update(3, message(SUPERGROUP, { text: "Hi again" })));
    const [first, second] = lane.runner.turns;
    expect(second?.session?.sessionKey).toBe(first?.session?.sessionKey);
    const calls = lane.identity.calls.filter(({ method }) => method === "registerEquivalence");
    expect(calls).toHaveLength(1);
    // What waits for the group is led to the supergroup, whatever is known of the names.
    expect(lane.delivery.moved).toMatchObject([
      { address: "-4242", newAddress: "-1001234567890" },
      { address: "-4242", newAddress: "-1001234567890" },
    ]);
  });

  test("of an upgrade waits for a run that holds the group, and goes on where an operator must look", async () => {
    const upgrade = update(2, message(GROUP, { migrate_to_chat_id: SUPERGROUP.id }));
    lane.identity.equivalenceRefusal = later("SESSION_BUSY", "a run holds it", 1_000);
    expect((await post(upgrade)).status).toBe(409);
    lane.identity.equivalenceRefusal = new LanekeeperError("ALIAS_CONFLICT", "both had sessions");
    expect((await post(upgrade)).status).toBe(200);
  });
});

test("commands are answered in the chat, of the generation that stands there then", async () => {
  const command = (id: number, text: string) => post(update(id, message(PRIVATE, { text })));
  await post(hello);
  expect((await command(1001, "/new")).json).toEqual({});
  await command(1001, "/new");
  await command(1002, "/status");
  // Whoever is answered in a conversation that is being erased has come back to it: no look alone.
  const resolved = lane.identity.calls.filter(({ method }) => method === "resolveSession");
  expect(resolved.at(-1)).toMatchObject({ request: { lookUpOnly: false } });
  const said = [...lane.delivery.said.values()];
  expect(said).toMatchObject([
    {
      ...{ requestId: "telegram/helpdesk_bot/1001", session: { generation: 2n } },
      parts: [{ content: { value: expect.any(String) } }],
    },
    { parts: [{ content: { value: expect.stringContaining("Generation 2") } }] },
  ]);
  expect(lane.runner.turns).toHaveLength(1);
});

test("/stop ends an album as what a person takes it for, one message", async () => {
  lane.runner.script = (turn) => void turn.begin();
  await post(update(1, message(PRIVATE, { photo: PHOTO, media_group_id: "13579" })));
  await post(update(2, message(PRIVATE, { message_id: 10, text: "/stop" })));
  const cancelled = lane.runner.calls.filter(({ method }) => method === "cancelTurn");
  expect(cancelled).toMatchObject([{ request: { withGroup: true } }]);
});

describe("bad input changes nothing:", () => {
  const calls = () => [lane.identity.calls, lane.runner.calls, lane.delivery.registered];
  afterEach(() => expect(calls()).toEqual([[], [], []]));

  test.each([
    ["another secret", "b-telegram_secret"],
    ["none", ""],
    ["the bot's token", CHANNEL_ENV.TELEGRAM_BOT_TOKEN],
  ])("%s is 401", async (_what, secret) => {
    expect(await post(hello, secret)).toMatchObject({ status: 401 });
  });

  test.each([
    ["no JSON", "{", 400],
    ["no update", {}, 400],
    ["too large", { update_id: 1, x: "x".repeat(4_200_000) }, 413],
    ["too deep", `${'{"a":'.repeat(50)}1${"}".repeat(50)}`, 400],
  ])("%s", async (_what, body, status) => {
    expect((await post(body)).status).toBe(status);
  });

  test("no JSON by its type", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    expect((await post(hello, undefined, headers)).status).toBe(415);
  });
});
