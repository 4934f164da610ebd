import { createHmac } from "node:crypto";
import { equalSecrets } from "./equal-secrets.ts";

/** How a body's HMAC-SHA256 is written. */
export interface HmacRules {
  readonly secret: string;
  /** What stands before the body in what is signed, such as "v0:1531420618:". */
  readonly before: string;
  /** What stands before the digest in the signature, such as "sha256=" or "v0=". */
  readonly prefix: string;
  readonly encoding: "hex" | "base64";
}

/** Whether a signature is the body's. */
export function isHmacOf(body: Uint8Array, signature: string, rules: HmacRules): boolean {
  const { secret, before, prefix, encoding } = rules;
  if (secret === "") return false;
  const digest = createHmac("sha256", secret).update(before).update(body).digest(encoding);
  const shown = encoding === "hex" ? signature.toLowerCase() : signature;
  const wanted = encoding === "hex" ? prefix.toLowerCase() + digest : prefix + digest;
  return equalSecrets(shown, wanted);
}

/** Whether a time in seconds since 1970, as a header has it, is this near to now. */
export function isRecent(timestamp: string, now: Date, windowMs: number): boolean {
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  return Math.abs(now.getTime() - Number(timestamp) * 1_000) <= windowMs;
}
