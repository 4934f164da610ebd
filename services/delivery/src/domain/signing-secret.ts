import { createHmac, randomBytes } from "node:crypto";

/** Standard Webhooks asks for 24 to 64 random bytes. */
const SECRET_BYTES = 32;

const PREFIX = "whsec_";

/** A new secret for one route: "whsec_" and base64. */
export function newSigningSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64")}`;
}

/**
 * The headers by which a receiver tells repeats and forgeries. With several secrets there are as many signatures,
 * and a receiver that knows one of them is content.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function signedHeaders(
  secrets: readonly string[],
  webhookId: string,
  now: Date,
  body: string,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now.getTime() / 1_000));
  const content = `${webhookId}.${timestamp}.${body}`;
  return {
    "webhook-id": webhookId,
    "webhook-timestamp": timestamp,
    "webhook-signature": secrets.map((secret) => signatureOf(secret, content)).join(" "),
  };
}

/** Node's HMAC: that of the package `standardwebhooks` is JavaScript, and takes ten times as long. */
function signatureOf(secret: string, content: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  return `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
}
