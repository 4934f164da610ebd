import { createHash } from "node:crypto";
import { invalid } from "@lanekeeper/rpc";
import type { AdapterAccount } from "./event.ts";

/** As RotateSession and EnqueueDelivery take request ids. */
const MAX_REQUEST_ID_CHARS = 128;

/** Leaves room for channel and account within the 255 characters of an idempotency key. */
const MAX_EVENT_ID_CHARS = 128;

/** The provider's event id is the turn's idempotency key. @throws INVALID_REQUEST */
export function idempotencyKey(account: AdapterAccount, eventId: string): string {
  if (!/^[!-~]+$/.test(eventId) || eventId.length > MAX_EVENT_ID_CHARS) {
    const wanted = `must be 1 to ${MAX_EVENT_ID_CHARS} visible ASCII characters`;
    throw invalid("event id", wanted);
  }
  return `${account.channel}/${account.accountId}/${eventId}`;
}

/** The same for calls with a request id; where it would be too long, its digest. */
export function requestIdOf(key: string): string {
  if (key.length <= MAX_REQUEST_ID_CHARS) return key;
  return digestOf("event", key);
}

/** What is said once about all messages of a group, such as an album. */
export function groupRequestId(sessionId: string, groupId: string): string {
  return digestOf("group", `${sessionId} ${groupId}`);
}

function digestOf(what: string, text: string): string {
  return `${what}-sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** What SubmitTurn compares a repeat by. */
export function contentFingerprint(content: string | Uint8Array): Uint8Array {
  return createHash("sha256").update(content).digest();
}
