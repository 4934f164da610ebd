import {
  type AdapterSubject,
  CONFORMANCE,
  type SentEvent,
} from "@lanekeeper/adapter-kit/conformance";
import { randomUUID } from "node:crypto";
import { type EventName, EventTaker, type InboundEvent } from "@lanekeeper/adapter-kit";
import { createEdgeClients } from "@lanekeeper/client";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import {
  eventually,
  startConstellation,
  type SlackServer,
  startSlackServer,
  startTelegramServer,
  startWebhookSink,
  type TelegramServer,
} from "@lanekeeper/testing";
import { WebClient } from "@slack/web-api";
import { Api } from "grammy";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  CHANNEL,
  groupOf,
  helpdeskPost,
  SECRETS,
  slackPost,
  telegramPost,
  telegramUpdate,
  thread,
  threadTs,
} from "../support/channel-posts.ts";
import { channelSubject } from "../support/channel-subject.ts";
import { spoken } from "../support/transcript.ts";

let slack: SlackServer;
let telegram: TelegramServer;
let sink: Awaited<ReturnType<typeof startWebhookSink>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

const config = (replyUrl: string): string => `
tenants:
  default:
    default_agent: main
    channels:
      slack:
        T0123456789: { token_env: SLACK_BOT_TOKEN, signing_secret_env: SLACK_SIGNING_SECRET }
      telegram:
        helpdesk_bot: { token_env: TELEGRAM_BOT_TOKEN, webhook_secret_env: TELEGRAM_WEBHOOK_SECRET }
        polled_bot: { token_env: TELEGRAM_BOT_TOKEN, polling: true }
      webhook:
        helpdesk: { secret_env: WEBHOOK_SECRET_HELPDESK, reply_url: ${replyUrl} }
    agents:
      main: { model: scripted }
`;

beforeAll(async () => {
  sink = await startWebhookSink();
  telegram = await startTelegramServer(SECRETS.TELEGRAM_BOT_TOKEN);
  slack = await startSlackServer(SECRETS.SLACK_BOT_TOKEN);
  const apis = {
    LANEKEEPER_SLACK_API_URL: slack.apiUrl,
    LANEKEEPER_TELEGRAM_API_URL: telegram.origin,
  };
  const env = { ...SECRETS, ...apis, LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" };
  lanekeeper = await startConstellation({ config: config(sink.url), env, leaseMs: 2_000 });
});
afterAll(async () => {
  await lanekeeper?.stop();
  await slack?.[Symbol.asyncDispose]();
  await telegram?.[Symbol.asyncDispose]();
  await sink?.[Symbol.asyncDispose]();
});

/** Updates that are asked for are not posted. */
function neverPosted(): never {
  throw new Error("nothing is posted");
}

const SUBJECTS = {
  "somebody else": () => outside((event) => `$${event}`),
  Slack: () => channelSubject(lanekeeper, (event) => slackPost(event), thread),
  "Telegram by webhook": () =>
    channelSubject(
      lanekeeper,
      (event) => telegramPost(telegramUpdate(event)),
      groupOf("helpdesk_bot"),
    ),
  "Telegram by getUpdates": () => ({
    ...channelSubject(lanekeeper, neverPosted, groupOf("polled_bot")),
    send: async (event: SentEvent) => {
      const update = telegramUpdate(event);
      telegram.updates.push(update);
      const { update_id: id } = update;
      const isConfirmed = () =>
        telegram.updates.unconfirmed.every(({ update_id }) => update_id !== id);
      return eventually(isConfirmed, { timeoutMs: 60_000, what: `update ${id} is confirmed` });
    },
  }),
  webhook: () =>
    channelSubject(
      lanekeeper,
      ({ event, conversation, text, command }: SentEvent) =>
        helpdeskPost(`evt-${event}`, {
          session_key: `ticket:${conversation}`,
          ...(command === undefined ? { text } : { command }),
        }),
      (conversation) => ({ case: "rawKey", value: `ticket:${conversation}` }),
    ),
};

/** An adapter that stands outside, with an API key and the kit. */
function outside(eventIdOf: (event: number) => string): AdapterSubject {
  const { baseUrl, apiKey } = lanekeeper;
  const ports = createEdgeClients({ baseUrl, apiKey });
  const account = {
    ...{ channel: "matrix", accountId: "example.org", agentId: "", source: "matrix/1.0" },
  };
  const nameOf = (conversation: number): EventName => ({
    case: "peer",
    value: {
      channel: "matrix",
      kind: PeerKind.CHANNEL,
      peerId: `!room${conversation}:example.org`,
    },
  });
  let taker = new EventTaker();
  const send = async ({ event, conversation, text, command }: SentEvent): Promise<boolean> => {
    const name = nameOf(conversation);
    const common = { eventId: eventIdOf(event), name, place: undefined, senderId: "@ada" };
    const parts = [{ content: { case: "text" as const, value: text } }];
    const said: InboundEvent =
      command === undefined
        ? { ...common, kind: "message", messageId: "", parts, content: text }
        : { ...common, kind: "command", command, isAbout: () => true };
    const options = { requestId: "conformance", withinMs: 10_000 };
    return taker.take({ ports, account, tenant: "" }, said, options).then(
      () => true,
      () => false,
    );
  };
  const restart = async () => {
    taker = new EventTaker();
  };
  return { lanekeeper: ports, agentId: "", send, nameOf, restart };
}

test("an adapter that makes up ids of events does not conform", async () => {
  const [duplicates] = CONFORMANCE;
  const wrong = outside(() => randomUUID());
  await expect(duplicates?.run(wrong)).rejects.toThrow("there is one turn");
});

describe.each(Object.entries(SUBJECTS))("the adapter of %s", (_channel, subject) => {
  test.each(CONFORMANCE)("$name", async (one) => {
    await one.run(subject());
  });
});

test("a program's event is answered at its address, under the secret that it was told", async () => {
  const { path, headers, body } = helpdeskPost("evt-reply", {
    ...{ session_key: "ticket:reply", text: "Is it done?", sender_id: "ada" },
  });
  const url = `${lanekeeper.baseUrl}${path}`;
  const answer = await fetch(url, { method: "POST", headers, body });
  const told = (await answer.json()) as { signing_secret: string; turn_id: string };
  expect(answer.status).toBe(202);
  const isReply = ({ json }: { json: unknown }): boolean =>
    (json as { turn_id?: string }).turn_id === told.turn_id;
  const posted = await eventually(() => sink.posts.find(isReply), { what: "the reply is posted" });
  const signed = posted.headers as Record<string, string>;
  expect(new Webhook(told.signing_secret).verify(posted.body, signed)).toMatchObject({
    ...{ type: "reply", turn_id: told.turn_id },
    text: expect.stringContaining("1. user: Is it done?"),
  });
});

test("a bot that grammY has set up is written to by post, and answers in the chat", async () => {
  const api = new Api(SECRETS.TELEGRAM_BOT_TOKEN, { apiRoot: telegram.origin });
  const url = `${lanekeeper.baseUrl}/channels/telegram/helpdesk_bot`;
  await api.setWebhook(url, { secret_token: SECRETS.TELEGRAM_WEBHOOK_SECRET });
  const at = { event: 7_001, conversation: 4_242_001 };
  const hello = telegramUpdate({ ...at, text: "Hello, who is there?" });
  expect(await telegram.updates.post(hello)).toBe(200);
  const status = telegramUpdate({ ...at, event: 7_002, text: "", command: "status" });
  expect(await telegram.updates.post(status)).toBe(200);
  const said = () => {
    const here = telegram.messages.filter(({ chat_id }) => chat_id === `-${at.conversation}`);
    return here.length === 2 ? here.map(({ text }) => text).sort() : undefined;
  };
  const texts = await eventually(said, { what: "both answers are in the chat" });
  expect(texts.join()).toMatch(/1\. user: Hello, who is there\?/);
  expect(texts.join()).toMatch(/Generation 1\./);
});

test("Slack's own client reads the answer in the thread of the message", async () => {
  const { SLACK_BOT_TOKEN: token } = SECRETS;
  const client = new WebClient(token, { slackApiUrl: slack.apiUrl });
  const conversation = 1_769_860_800;
  const { path, headers, body } = slackPost({ event: conversation, conversation, text: "Who?" });
  const url = `${lanekeeper.baseUrl}${path}`;
  expect((await fetch(url, { method: "POST", headers, body })).status).toBe(200);
  const [answer] = await eventually(
    async () => {
      const at = { channel: CHANNEL, ts: threadTs(conversation) };
      const { messages = [] } = await client.conversations.replies(at);
      return messages.length > 0 ? messages : undefined;
    },
    { what: "the answer is in the thread" },
  );
  expect(answer?.text).toContain("1. user: Who?");
});

/** Posts an update to the bot of the webhook; resolves to the status that it is answered with. */
async function postUpdate(update_id: number, chat: object, more: object): Promise<number> {
  const from = { id: 77, is_bot: false, first_name: "Ada" };
  const date = Math.floor(Date.now() / 1_000);
  const message = { message_id: update_id, from, chat, date, ...more };
  const { path, headers, body } = telegramPost({ update_id, message });
  const answer = await fetch(`${lanekeeper.baseUrl}${path}`, { method: "POST", headers, body });
  return answer.status;
}

test("a group goes on as one conversation when it becomes a supergroup, and is answered there", async () => {
  const group = { id: -4_343, title: "Kitchen", type: "group" };
  const supergroup = { id: -1_004_343, title: "Kitchen", type: "supergroup" };
  expect(await postUpdate(8_001, group, { text: "Before" })).toBe(200);
  const key = "agent:main:telegram:group:-4343";
  await eventually(async () => (await spoken(lanekeeper, key)).length === 2, {
    what: "it is answered",
  });
  expect(await postUpdate(8_002, group, { migrate_to_chat_id: supergroup.id })).toBe(200);
  expect(await postUpdate(8_003, supergroup, { migrate_from_chat_id: group.id })).toBe(200);
  expect(await postUpdate(8_004, supergroup, { text: "After" })).toBe(200);
  await eventually(async () => (await spoken(lanekeeper, key)).length === 4, {
    what: "both are there",
  });
  const lines = await spoken(lanekeeper, key);
  expect([lines[0], lines[2]]).toEqual(["user: Before", "user: After"]);
  const isThere = () => telegram.messages.some(({ chat_id }) => chat_id === "-1004343");
  await eventually(isThere, { what: "the second answer is in the supergroup" });
});

test("a channel in Slack goes on as one conversation under another id, and what waits is answered there", async () => {
  const [old, fresh] = ["G0PARTNERS", "C0PARTNERS"];
  const conversation = 1_769_861_000;
  const say = async (event: number, text: string, more: object): Promise<number> => {
    const { path, headers, body } = slackPost({ event, conversation, text }, more);
    const url = `${lanekeeper.baseUrl}${path}`;
    return (await fetch(url, { method: "POST", headers, body })).status;
  };
  const answers = () =>
    slack.messages
      .filter(({ channel }) => [old, fresh].includes(channel))
      .map(({ text, channel }) => {
        return `${channel} ${/user: (\w+)\s*$/.exec(text)?.[1]}`;
      });
  expect(await say(conversation, "First", { channel: old })).toBe(200);
  await eventually(() => answers().length === 1, { what: "it is answered" });
  // As long as nobody is let send there, the next answer waits.
  slack.always("chat.postMessage", { answer: { ok: false, error: "ratelimited" } });
  expect(await say(conversation + 1, "Second", { channel: old })).toBe(200);
  const tried = slack.of("chat.postMessage").length;
  await eventually(() => slack.of("chat.postMessage").length > tried, { what: "it was tried" });
  slack.renamed.set(old, fresh);
  const renamed = { type: "channel_id_changed", old_channel_id: old, new_channel_id: fresh };
  expect(await say(conversation + 2, "", renamed)).toBe(200);
  expect(await say(conversation + 3, "Third", { channel: fresh })).toBe(200);
  slack.always("chat.postMessage", undefined);
  await eventually(() => answers().length === 3, { what: "all are answered" });
  expect(answers()).toEqual([`${old} First`, `${fresh} Second`, `${fresh} Third`]);
});

test("a direct conversation in Slack is its person's, by either id", async () => {
  const direct = { channel: "D0DIRECT01", channel_type: "im", thread_ts: undefined };
  const { path, headers, body } = slackPost(
    { event: 1_769_860_900, conversation: 1, text: "Hello" },
    direct,
  );
  const url = `${lanekeeper.baseUrl}${path}`;
  expect((await fetch(url, { method: "POST", headers, body })).status).toBe(200);
  const keyOf = async (peerId: string) => {
    const peer = { channel: "slack", accountId: "T0123456789", kind: "PEER_KIND_DIRECT", peerId };
    const resolve = "identity.v1.SessionIdentityService/ResolveSession";
    const { session } = await lanekeeper.call(resolve, { peer });
    return (session as { ref: { sessionKey: string } }).ref.sessionKey;
  };
  expect(await keyOf("D0DIRECT01")).toBe(await keyOf("U0ADA00001"));
});
