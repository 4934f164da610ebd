import type { CallOptions } from "@lanekeeper/rpc";

/** What a call about a reply says at session-identity, whoever makes it. */
export interface ReplyOwner {
  readonly tenant: string;
  readonly fenceId: string;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceparent: string;
}

/** The writer of WriteLifecycle. */
export function replyWriter(reply: ReplyOwner) {
  const { sessionKey, sessionId, generation, turnId, fenceId: deliveryId } = reply;
  const session = { sessionKey, sessionId, generation };
  return { case: "reply", value: { session, turnId, deliveryId } } as const;
}

/**
 * For whom: the tenant and principal of the turn, within its trace. No scopes, since delivery acts for
 * itself.
 */
export function replyCall(reply: ReplyOwner, timeoutMs: number): Omit<CallOptions, "retry"> {
  const { tenant, principal, requestLabel } = reply;
  return { tenant, principal, requestId: requestLabel, within: reply, timeoutMs };
}
