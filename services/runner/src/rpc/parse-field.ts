import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { invalid, LanekeeperError, payloadTooLarge } from "@lanekeeper/rpc";
import { type CanonicalKey, isKeyRefusal, parseCanonicalKey } from "@lanekeeper/session-key";

/** Text of at most so many bytes of UTF-8. */
export function parseText(field: string, text: string, maxBytes: number): string {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw invalid(field, `has ${bytes} bytes of at most ${maxBytes}`);
  return text;
}

/** Text that the database can hold, or be asked for: Postgres has no NUL in any. */
export function parseStorable(field: string, text: string): string {
  if (text.includes("\0")) throw invalid(field, "has a NUL character");
  return text;
}

/** 1 to so many visible ASCII characters. */
export function parseVisible(field: string, text: string, maxChars: number): string {
  if (text === "") throw invalid(field, "is required");
  if (text.length > maxChars)
    throw invalid(field, `has ${text.length} characters of at most ${maxChars}`);
  if (!/^[!-~]+$/.test(text)) throw invalid(field, "is not visible ASCII");
  return text;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A UUID in lower case. */
export function parseUuid(field: string, text: string): string {
  if (text === "") throw invalid(field, "is required");
  if (!UUID.test(text)) throw invalid(field, "is not a UUID in lower case");
  return text;
}

/** A key that is canonical as it stands. @throws MALFORMED_KEY, KEY_TOO_LONG */
export function parseSessionKey(field: string, text: string): CanonicalKey {
  if (text === "") throw invalid(field, "is required");
  const key = parseCanonicalKey(text);
  if (isKeyRefusal(key)) {
    throw new LanekeeperError(key.reason, `${field}: ${key.message}`, { metadata: { field } });
  }
  return key;
}

/** One of the numbers of an enum, its zero excluded. */
export function parseEnum<T extends number>(
  field: string,
  value: number,
  values: Readonly<Record<string, T>>,
): T {
  const known = Object.values(values).find((candidate) => candidate === value);
  if (known === undefined) throw invalid(field, `has the unknown number ${value}`);
  if (known === 0) throw invalid(field, "is required");
  return known;
}

/** The same, but the zero stands for a default. */
export function parseOptionalEnum<T extends number>(
  field: string,
  value: number,
  values: Readonly<Record<string, T>>,
): T | undefined {
  return value === 0 ? undefined : parseEnum(field, value, values);
}

/** Milliseconds above 0; undefined where it is unset. */
export function parseDuration(field: string, duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const ms = Math.ceil(durationMs(duration));
  if (!(ms > 0)) throw invalid(field, "is not above zero");
  if (ms > Number.MAX_SAFE_INTEGER) {
    throw invalid(field, `is above ${Number.MAX_SAFE_INTEGER} ms`);
  }
  return ms;
}

/** The same, up to a bound. */
export function parseSpan(
  field: string,
  duration: Duration | undefined,
  maxMs: number,
): number | undefined {
  const ms = parseDuration(field, duration);
  if (ms !== undefined && ms > maxMs) throw invalid(field, `is above ${maxMs} ms`);
  return ms;
}

/** A page's size within its bound; 0 stands for the default. */
export function parsePageSize(size: number, max: number, fallback: number): number {
  if (size === 0) return fallback;
  if (size < 0 || size > max) throw invalid("page_size", `is not within 1..${max}`);
  return size;
}

export function refuseLarger(what: string, bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) throw payloadTooLarge(what, maxBytes, bytes);
}
