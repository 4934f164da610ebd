import { invalid } from "@lanekeeper/rpc";
import { LIMITS } from "../../limits.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const VISIBLE_ASCII = /^[!-~]+$/;

/** Ids that callers mint: turn ids, delivery ids, request ids. */
export function visibleId(
  field: string,
  text: string,
  maxChars: number = LIMITS.maxIdChars,
): string {
  if (text.length >= 1 && text.length <= maxChars && VISIBLE_ASCII.test(text)) return text;
  throw invalid(field, `1..${maxChars} visible ASCII characters`);
}

export function optionalId(field: string, text: string): string {
  return text === "" ? "" : visibleId(field, text);
}

/** In the one spelling of RFC 9562, lower case. */
export function uuid(field: string, text: string): string {
  if (UUID.test(text)) return text;
  throw invalid(field, "a UUID in lower case");
}

export function optionalUuid(field: string, text: string): string | undefined {
  return text === "" ? undefined : uuid(field, text);
}

/** Text for people: bounded in characters, without NUL, which Postgres cannot hold. */
export function prose(field: string, text: string, maxChars: number): string {
  if (text.includes("\u0000")) throw invalid(field, "holds a NUL character");
  if (text.length > maxChars && Array.from(text).length > maxChars) {
    throw invalid(field, `at most ${maxChars} characters`);
  }
  return text;
}

/** A technical name: bounded in bytes. */
export function label(field: string, text: string, maxBytes: number): string {
  if (text.includes("\u0000")) throw invalid(field, "holds a NUL character");
  if (Buffer.byteLength(text, "utf8") > maxBytes) throw invalid(field, `at most ${maxBytes} bytes`);
  return text;
}

export function requestId(text: string): string {
  return visibleId("request_id", text, LIMITS.maxRequestIdChars);
}

export function note(text: string): string {
  return prose("note", text, LIMITS.maxNoteChars);
}

/** int64 from 1. */
export function positive(field: string, value: bigint): bigint {
  if (value >= 1n) return value;
  throw invalid(field, "at least 1");
}

/** Undefined for 0, which stands for "not set". */
export function optionalPositive(field: string, value: bigint): bigint | undefined {
  return value === 0n ? undefined : positive(field, value);
}
