import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ChannelKind,
  InboundAccountSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { Webhook } from "standardwebhooks";
import { expect } from "vitest";
import { type Answer, ask } from "./ask.ts";
import type { TestIngress } from "./test-ingress.ts";

/** Adds an account whose events are taken. */
export function addAccount(
  lane: TestIngress,
  init: MessageInitShape<typeof InboundAccountSchema>,
  tenant = "default",
): void {
  lane.accounts.accounts.push({ tenant, account: create(InboundAccountSchema, init) });
}

/** Where the secrets of the tests stand. */
export const CHANNEL_ENV = {
  WEBHOOK_SECRET: `whsec_${Buffer.from("a secret of twenty-four b").toString("base64")}`,
  WEBHOOK_HMAC_SECRET: "a-plain-secret",
  SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5",
  SLACK_BOT_TOKEN: "xoxb-slack-token",
  TELEGRAM_WEBHOOK_SECRET: "a-telegram_secret",
  TELEGRAM_BOT_TOKEN: "7:telegram-token",
} as const;

/** The account that most tests of webhooks use. */
export const HELPDESK = {
  kind: ChannelKind.WEBHOOK,
  accountId: "helpdesk",
  secretEnv: "WEBHOOK_SECRET",
} as const;

/** How a post is made; what is left out is right. */
export interface Post {
  readonly id?: string;
  readonly at?: Date;
  readonly secret?: string;
  /** Sent in place of the body that is signed. */
  readonly forged?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Posts an event as a sender of Standard Webhooks does: by its own library. */
export function postEvent(
  lane: TestIngress,
  event: object | string,
  { id = "evt-1", at = new Date(), secret = CHANNEL_ENV.WEBHOOK_SECRET, ...rest }: Post = {},
): Promise<Answer> {
  const body = typeof event === "string" ? event : JSON.stringify(event);
  return ask(lane, {
    path: rest.path ?? "/channels/webhook/helpdesk",
    headers: {
      authorization: "",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
      "webhook-signature": new Webhook(secret).sign(id, at, body),
      ...rest.headers,
    },
    body: rest.forged ?? body,
  });
}

/** What is looked at until it is so; a busy machine may take its time. */
export function soon<T>(look: () => T) {
  return expect.poll(look);
}
