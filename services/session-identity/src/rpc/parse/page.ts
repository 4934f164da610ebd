import { createHash } from "node:crypto";
import { invalid } from "@lanekeeper/rpc";
import { LIMITS } from "../../limits.ts";

/** 0: the default. */
export function pageSize(given: number, max: number = LIMITS.maxPageSize): number {
  if (given === 0) return Math.min(LIMITS.defaultPageSize, max);
  if (given >= 1 && given <= max) return given;
  throw invalid("page_size", `1..${max}`);
}

/** A token is where the last page ended, and what was asked: another question refuses it. */
export function pageToken(question: readonly unknown[], last: string): string {
  return Buffer.from(JSON.stringify([last, hashOf(question)])).toString("base64url");
}

/** Undefined: from the beginning. @throws INVALID_REQUEST for a token of another question */
export function readPageToken(question: readonly unknown[], token: string): string | undefined {
  if (token === "") return undefined;
  const [last, hash] = decode(token);
  const isText = typeof last === "string" && !last.includes("\0");
  if (isText && hash === hashOf(question)) return last;
  throw invalid("page_token", "is of another question, or was not given out here");
}

/** A place that is a number, such as a generation or an entry id. */
export function readNumberToken(question: readonly unknown[], token: string): bigint | undefined {
  const last = readPageToken(question, token);
  if (last === undefined) return undefined;
  if (/^\d{1,18}$/.test(last)) return BigInt(last);
  throw invalid("page_token", "was not given out here");
}

function decode(token: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function hashOf(question: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(question)).digest("base64url").slice(0, 16);
}
