import { createHmac } from "node:crypto";
import type { EventName } from "@lanekeeper/adapter-kit";
import type { SentEvent } from "@lanekeeper/adapter-kit/conformance";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { Webhook } from "standardwebhooks";
import { newWebhookSecret, type Posted } from "./channel-subject.ts";

/** What the accounts of the tests are verified by, under the names of their variables. */
export const SECRETS = {
  WEBHOOK_SECRET_HELPDESK: newWebhookSecret(),
  SLACK_BOT_TOKEN: "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy",
  SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5",
  TELEGRAM_BOT_TOKEN: "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcK",
  TELEGRAM_WEBHOOK_SECRET: "a_secret-token",
};

/** Signed by the library that senders use. */
export function helpdeskPost(id: string, event: object): Posted {
  const body = JSON.stringify(event);
  const at = new Date();
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": new Webhook(SECRETS.WEBHOOK_SECRET_HELPDESK).sign(id, at, body),
  };
  return { path: "/channels/webhook/helpdesk", headers, body };
}

/** What is said in a group, as Telegram tells it. */
export function telegramUpdate({ event, conversation, text, command }: SentEvent) {
  const chat = { id: -conversation, title: "A group", type: "group" };
  const from = { id: 77, is_bot: false, first_name: "Ada" };
  const said = command === undefined ? text : `/${command}`;
  const date = Math.floor(Date.now() / 1_000);
  return { update_id: event, message: { message_id: event, from, chat, date, text: said } };
}

/** An update as Telegram posts it to the bot that has a webhook. */
export function telegramPost(update: object): Posted {
  const headers = {
    "content-type": "application/json",
    "x-telegram-bot-api-secret-token": SECRETS.TELEGRAM_WEBHOOK_SECRET,
  };
  return { path: "/channels/telegram/helpdesk_bot", headers, body: JSON.stringify(update) };
}

/** The name of a group, as the bot of an account calls it. */
export const groupOf =
  (accountId: string) =>
  (conversation: number): EventName => ({
    case: "peer",
    value: { channel: "telegram", accountId, kind: PeerKind.GROUP, peerId: `-${conversation}` },
  });

/** Where everything is said in Slack. */
export const CHANNEL = "C0123456789";

/** A conversation is a thread of one channel. */
export const threadTs = (conversation: number): string => `${conversation}.000001`;

/** What is said in a thread, as Slack tells it. */
export function slackPost(
  { event, conversation, text, command }: SentEvent,
  more: object = {},
): Posted {
  const ts = `${event}.000100`;
  const said = command === undefined ? text : `<@U0BOT00001> /${command}`;
  const body = JSON.stringify({
    ...{ type: "event_callback", team_id: "T0123456789", event_id: `Ev${event}` },
    event: {
      ...{ type: "message", channel: CHANNEL, channel_type: "channel", user: "U0ADA00001" },
      ...{ ts, thread_ts: threadTs(conversation), event_ts: ts, text: said },
      ...more,
    },
    authorizations: [{ team_id: "T0123456789", user_id: "U0BOT00001", is_bot: true }],
  });
  const seconds = String(Math.floor(Date.now() / 1_000));
  const signed = createHmac("sha256", SECRETS.SLACK_SIGNING_SECRET);
  const headers = {
    "content-type": "application/json",
    "x-slack-request-timestamp": seconds,
    "x-slack-signature": `v0=${signed.update(`v0:${seconds}:${body}`).digest("hex")}`,
  };
  return { path: "/channels/slack/T0123456789", headers, body };
}

/** The name of a thread. */
export const thread = (conversation: number): EventName => ({
  case: "peer",
  value: {
    ...{ channel: "slack", accountId: "T0123456789", kind: PeerKind.CHANNEL },
    ...{ peerId: CHANNEL, threadId: threadTs(conversation) },
  },
});
