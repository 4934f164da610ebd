import { invalid } from "../errors/constructors.ts";

/**
 * gRPC metadata values are printable ASCII, without meaning at their ends. So every byte of the
 * UTF-8 that is not visible ASCII is percent-encoded, and `%` and `,` too, which makes the result
 * safe as an item of a comma list.
 */
export function encodeValue(text: string): string {
  if (/^[!-$&-+\--~]*$/.test(text)) return text;
  let out = "";
  for (const byte of Buffer.from(text, "utf8")) out += isPlain(byte) ? PLAIN[byte] : escaped(byte);
  return out;
}

const PLAIN = Array.from({ length: 128 }, (_, byte) => String.fromCharCode(byte));

function isPlain(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x2c;
}

function escaped(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The inverse of encodeValue. @throws INVALID_REQUEST naming the metadata key. */
export function decodeValue(name: string, encoded: string): string {
  if (!encoded.includes("%")) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw invalid(name, "is not percent-encoded UTF-8");
  }
}

/** An empty list is the empty string. */
export function encodeList(items: readonly string[]): string {
  return items.map(encodeValue).join(",");
}

export function decodeList(name: string, encoded: string): string[] {
  if (encoded === "") return [];
  return encoded.split(",").map((item) => decodeValue(name, item));
}
