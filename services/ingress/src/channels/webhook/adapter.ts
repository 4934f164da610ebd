import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { parseJsonObject, requireJson } from "../../http/json-body.ts";
import { requireWellFormed } from "../../openai/well-formed.ts";
import type { ChannelAdapter } from "../adapter.ts";
import { headerOf } from "../header.ts";
import { answerOf } from "./answer.ts";
import { eventOf } from "./post.ts";
import { isSigned } from "./signature.ts";

/**
 * Signed posts of any program: as Standard Webhooks has it, or by an HMAC in a header. Their `webhook-id`,
 * or the body's `id`, is the event's id.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function webhookAdapter(limits: { readonly maxJsonDepth: number }): ChannelAdapter {
  return {
    kind: ChannelKind.WEBHOOK,
    word: "webhook",
    source: "webhook/1.0",
    // Senders of webhooks commonly wait for 15 to 30 s.
    ackWithinMs: 10_000,
    saysInPlace: false,
    isGenuine: isSigned,
    read: async (raw, { account }) => {
      requireJson(raw.headers["content-type"], raw.headers["content-encoding"]);
      const post = parseJsonObject(raw.body, limits.maxJsonDepth);
      requireWellFormed(post);
      const headerId = account.webhook?.hmac === undefined ? headerOf(raw, "webhook-id") : "";
      const event = eventOf(post, { account, headerId, body: raw.body, now: raw.now });
      // A raw key is any name: it gets no more than a chat client's. A peer is of the account's channel.
      const isPeer = "name" in event && event.name.case === "peer";
      const { accountId } = account;
      return { kind: "event", event, accountId, scope: isPeer ? "adapter" : "chat" };
    },
    answer: answerOf,
  };
}
