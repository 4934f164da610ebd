import { invalid, LanekeeperError, permissionDenied, type Caller } from "@lanekeeper/rpc";
import {
  agentBoundBy,
  agentOf,
  type CanonicalKey,
  checkKeyPermission,
  isKeyRefusal,
  keyBoundBy,
  type KeyRefusal,
  parseCanonicalKey,
} from "@lanekeeper/session-key";

import type { Limits } from "../limits.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @throws INVALID_REQUEST */
export function parseUuid(field: string, text: string): string {
  if (UUID.test(text)) return text;
  throw invalid(field, "must be a UUID in lower case");
}

/** @throws MALFORMED_KEY, KEY_TOO_LONG */
export function parseSessionKey(field: string, text: string): CanonicalKey {
  const key = parseCanonicalKey(text);
  if (isKeyRefusal(key)) throw keyError(field, key);
  return key;
}

/** Visible ASCII, from 1 up to `maxChars`. @throws INVALID_REQUEST */
export function parseId(field: string, text: string, maxChars: number): string {
  if (/^[!-~]+$/.test(text) && text.length <= maxChars) return text;
  throw invalid(field, `must be 1 to ${maxChars} visible ASCII characters`);
}

/** Text for people or a channel, which Postgres can store. @throws INVALID_REQUEST */
export function parseText(field: string, text: string, maxBytes: number): string {
  if (text.includes("\0")) throw invalid(field, "must not contain U+0000");
  if (Buffer.byteLength(text) <= maxBytes) return text;
  throw invalid(field, `must have at most ${maxBytes} bytes`);
}

/** @throws INVALID_REQUEST */
export function parsePageSize(
  size: number,
  { pageSize, maxPageSize }: Pick<Limits, "pageSize" | "maxPageSize">,
): number {
  if (size >= 0 && size <= maxPageSize) return size === 0 ? pageSize : size;
  throw invalid("page_size", `must be 1 to ${maxPageSize}`);
}

/** What a caller says of why; for people. @throws INVALID_REQUEST */
export function parseNote(note: string, { noteChars }: Pick<Limits, "noteChars">): string {
  if (note.includes("\0")) throw invalid("note", "must not contain U+0000");
  if (note.length <= noteChars) return note;
  throw invalid("note", `must have at most ${noteChars} characters`);
}

/**
 * Whether the caller's credential is bound to other agents or keys. Judged by the key alone, so that
 * it tells nothing of what stands under it. @throws PERMISSION_DENIED
 */
export function requireWithin(key: CanonicalKey, caller: Caller): void {
  const agent = agentOf(key);
  const ofAgent = agentBoundBy(agent, caller);
  if (ofAgent !== undefined) {
    const metadata = { agent, bound_by: ofAgent };
    throw permissionDenied(`the credential may not use the agent ${agent}`, metadata);
  }
  const by = keyBoundBy(key, caller);
  if (by === undefined) return;
  const metadata = { bound_by: by };
  throw permissionDenied("the key is none of those that the credential is bound to", metadata);
}

/**
 * Whether the caller may have replies of this key sent somewhere. A call that carries scopes acts for
 * an outside credential, which has no business with the system's keys, nor, without the adapter's
 * or operator's scope, with those of typed peers. @throws PERMISSION_DENIED, RESERVED_NAMESPACE
 */
export function requireKey(key: CanonicalKey, caller: Caller): void {
  requireWithin(key, caller);
  const { scopes, keyPrefixes } = caller;
  const outside = scopes.length > 0;
  // Channels without a profile are known to session-identity alone, which judges when a name is resolved.
  const typedChannels = { has: () => false };
  const refusal = checkKeyPermission(key, { outside, scopes, keyPrefixes, typedChannels });
  if (refusal !== undefined) throw keyError("session_key", refusal);
}

function keyError(field: string, { reason, message, offset }: KeyRefusal): LanekeeperError {
  return new LanekeeperError(reason, `${field}: ${message}`, {
    metadata: { field, offset: String(offset) },
    fieldViolations: [{ field, description: message }],
  });
}
