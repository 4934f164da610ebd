import { Webhook } from "standardwebhooks";
import { isRecent } from "./hmac.ts";

/** The three headers, as they came; empty where missing. */
export interface StandardHeaders {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
}

/**
 * Whether a post is signed with this secret ("whsec_…") and not older, or newer, than the window.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function isStandardWebhook(
  body: Buffer,
  headers: StandardHeaders,
  secret: string,
  now: Date,
  windowMs: number,
): boolean {
  const { id, timestamp, signature } = headers;
  if (id === "" || signature === "" || !isRecent(timestamp, now, windowMs)) return false;
  const signed = {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  };
  try {
    new Webhook(secret).verify(body, signed, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}
