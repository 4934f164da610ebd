import { isHmacOf, isRecent, isStandardWebhook } from "@lanekeeper/adapter-kit";
import {
  type HmacScheme,
  type InboundAccount,
  SignatureEncoding,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import type { RawEvent } from "../adapter.ts";
import { headerOf } from "../header.ts";

/** How far a post's time may be from ours; as Standard Webhooks' libraries have it. */
const WINDOW_MS = 5 * 60_000;

/** Whether a post is signed with the secret, within the window where its scheme has a time. */
export function isSigned(raw: RawEvent, { webhook }: InboundAccount, secret: string): boolean {
  if (webhook?.hmac !== undefined) return isSignedBy(webhook.hmac, raw, secret);
  const headers = {
    id: headerOf(raw, "webhook-id"),
    timestamp: headerOf(raw, "webhook-timestamp"),
    signature: headerOf(raw, "webhook-signature"),
  };
  return isStandardWebhook(raw.body, headers, secret, raw.now, WINDOW_MS);
}

function isSignedBy(scheme: HmacScheme, raw: RawEvent, secret: string): boolean {
  const { signatureHeader, timestampHeader, prefix } = scheme;
  const timestamp = timestampHeader === "" ? "" : headerOf(raw, timestampHeader);
  if (timestampHeader !== "" && !isRecent(timestamp, raw.now, WINDOW_MS)) return false;
  const before = timestampHeader === "" ? "" : `${timestamp}.`;
  const encoding = scheme.encoding === SignatureEncoding.BASE64 ? "base64" : "hex";
  const signature = headerOf(raw, signatureHeader);
  return isHmacOf(raw.body, signature, { secret, before, prefix, encoding });
}
