import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * `lk1_<id>_<secret><checksum>`: the id in 16 of Crockford's base 32, 256 random bits in 43 of base 62,
 * and the CRC-32 of all before it in 6 of base 62. Letters and digits alone, so that a double click
 * marks it whole; a pattern that scanners for secrets can look for, and a checksum by which they, and
 * we, tell a typo without a look-up.
 */
const KEY_TEXT = /^lk1_([0-9a-hjkmnp-tv-z]{16})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

const PREFIX = "lk1_";
const BASE_32 = "0123456789abcdefghjkmnpqrstvwxyz";
const BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_CHARS = 16;
const SECRET_BYTES = 32;
/** 62^43 is above 2^256, 62^6 above 2^32. */
const SECRET_CHARS = 43;
const CHECKSUM_CHARS = 6;

/** 80 random bits: no two keys ever made have the same. */
export function newKeyId(): string {
  return Array.from(randomBytes(ID_CHARS), (byte) => BASE_32.charAt(byte & 31)).join("");
}

/** Whether `newKeyId` could have made it. */
export function isKeyId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{16}$/.test(text);
}

/** A fresh text for the key of this id, which was made by `newKeyId`. */
export function newKeyText(apiKeyId: string): string {
  const secret = BigInt(`0x${randomBytes(SECRET_BYTES).toString("hex")}`);
  const text = `${PREFIX}${apiKeyId}_${base62(secret, SECRET_CHARS)}`;
  return `${text}${checksum(text)}`;
}

/**
 * Whether a text claims to be one of ours and is none: cut short, or with a character wrong. Texts of
 * another form, such as the first credential's, are not judged.
 */
export function isMistyped(text: string): boolean {
  if (!text.startsWith(PREFIX)) return false;
  if (!KEY_TEXT.test(text)) return true;
  const end = text.length - CHECKSUM_CHARS;
  return checksum(text.slice(0, end)) !== text.slice(end);
}

/** A key longer than this is none of ours, and is not hashed. */
export const MAX_KEY_CHARS = 512;

/** Whether a request can show it as it is, in a header. */
export function isSendable(text: string): boolean {
  return /^[!-~]+$/.test(text) && text.length <= MAX_KEY_CHARS;
}

function checksum(text: string): string {
  return base62(BigInt(crc32(text)), CHECKSUM_CHARS);
}

function base62(value: bigint, chars: number): string {
  let text = "";
  for (let rest = value; text.length < chars; rest /= 62n) {
    text = BASE_62.charAt(Number(rest % 62n)) + text;
  }
  return text;
}
