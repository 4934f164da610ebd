import { type KeyRefusal, refuse } from "./refusal.ts";
import { MAX_KEY_BYTES } from "./rule-set.ts";

/** Printable ASCII without white space at either end: such a text is NFC and passes rule 1. */
const PLAIN_ASCII = /^[!-~](?:[ -~]*[!-~])?$/;

/**
 * Rule 1. With the `u` flag `\p{Cs}` matches lone surrogates only. The ranges are those of the
 * runtime's Unicode version; an unassigned code point passes.
 */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/\p{Cs}/u, "a lone surrogate"],
  [/\p{Cc}/u, "a control character"],
  [/\p{Cf}/u, "a format character"],
  [/[\p{Zl}\p{Zp}]/u, "a line or paragraph separator"],
  [/\p{Noncharacter_Code_Point}/u, "a noncharacter"],
];
const ANY_FORBIDDEN = /[\p{Cs}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/u;

/** Unicode White_Space. JavaScript's `\s` is another set: it has U+FEFF and lacks U+0085. */
const EDGE_SPACE = /^\p{White_Space}|\p{White_Space}$/u;

export function isPlainAscii(text: string): boolean {
  return PLAIN_ASCII.test(text);
}

export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text, "utf8");
}

/** UTF-8 bytes that stand before the given UTF-16 index. */
export function byteOffset(text: string, index: number): number {
  return utf8Bytes(text.slice(0, index));
}

/** UTF-8 bytes up to the first character in which the two texts differ. */
export function firstDifference(before: string, after: string): number {
  let index = 0;
  if (before === after) return index;
  while (index < before.length && before[index] === after[index]) index++;
  const insidePair = /[\uD800-\uDBFF]$/.test(before.slice(0, index));
  return byteOffset(before, insidePair ? index - 1 : index);
}

export function tooLong(what: string): KeyRefusal {
  const message = `${what} is over ${MAX_KEY_BYTES} bytes of UTF-8`;
  return refuse("KEY_TOO_LONG", message, MAX_KEY_BYTES, { limit_bytes: String(MAX_KEY_BYTES) });
}

/** Rule 1, without the length: what no name and no component of one may hold. */
export function characterProblem(text: string): KeyRefusal | undefined {
  if (isPlainAscii(text)) return undefined;
  if (text === "") return refuse("MALFORMED_KEY", "is empty");
  const found = ANY_FORBIDDEN.exec(text);
  if (found) return refuse("MALFORMED_KEY", describe(found[0]), byteOffset(text, found.index));
  const space = EDGE_SPACE.exec(text);
  if (!space) return undefined;
  const where = space.index === 0 ? "begins" : "ends";
  return refuse("MALFORMED_KEY", `${where} with white space`, byteOffset(text, space.index));
}

/** Rule 2. */
export function toNfc(text: string): string {
  return isPlainAscii(text) ? text : text.normalize("NFC");
}

/** Letters A to Z only: the same in every language, and free of locale. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

function describe(character: string): string {
  const name = FORBIDDEN.find(([pattern]) => pattern.test(character))?.[1] ?? "a character";
  const code = character.codePointAt(0) ?? 0;
  return `holds ${name} (U+${code.toString(16).toUpperCase().padStart(4, "0")})`;
}
