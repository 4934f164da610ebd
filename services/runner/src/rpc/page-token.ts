import { invalid } from "@lanekeeper/rpc";

/** Where a page ended, as the next one is asked for: opaque to callers. */
export function formatPageToken(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** Undefined for the first page. @throws INVALID_REQUEST for what no page ended with. */
export function parsePageToken(token: string, length: number): readonly string[] | undefined {
  if (token === "") return undefined;
  const parts = decode(token);
  const isOurs =
    Array.isArray(parts) &&
    parts.length === length &&
    // Whoever writes one by hand may put a character into it that the database does not take.
    parts.every((part) => typeof part === "string" && !part.includes("\0"));
  if (!isOurs) throw invalid("page_token", "is not from an answer of this call");
  return parts as string[];
}

function decode(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

/** A whole number of a page token. */
export function parseTokenNumber(text: string | undefined): bigint {
  if (text === undefined || !/^\d{1,18}$/.test(text)) {
    throw invalid("page_token", "is not from an answer of this call");
  }
  return BigInt(text);
}
