import { createHmac, randomBytes } from "node:crypto";
import type { Secret } from "../settings/secret.ts";
import type { LogKeys } from "../settings/variables.ts";

/** 16 hex digits are 64 bits: among ten million keys two alike are met once in 400,000 installations. */
const HASH_DIGITS = 16;

/** As much as a key may have, in bytes; what was refused for being longer is known by its beginning. */
const SHOWN_CHARS = 1_024;

/** How a key or peer appears in a log line; undefined leaves the field out. */
export type KeyText = (key: unknown) => string | undefined;

/**
 * LANEKEEPER_LOG_KEYS. Keys hold phone numbers and other names that can all be tried out against a
 * plain hash, so the hash is keyed by the installation's secret: the same key looks the same in the
 * logs of every service, and nobody without the secret can go back. Without a secret it is keyed at
 * random per process.
 */
export function keyText(mode: LogKeys, secret: Secret | undefined): KeyText {
  if (mode === "none") return () => undefined;
  if (mode === "full") return shown;
  const hashKey = secret?.reveal() ?? randomBytes(32);
  return (key) => {
    const plain = asText(key);
    if (plain === undefined) return undefined;
    const digest = createHmac("sha256", hashKey).update(plain).digest("hex");
    return `hmac:${digest.slice(0, HASH_DIGITS)}`;
  };
}

function asText(key: unknown): string | undefined {
  return typeof key === "string" ? key : JSON.stringify(key);
}

function shown(key: unknown): string | undefined {
  const text = asText(key);
  return text === undefined || text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`;
}
