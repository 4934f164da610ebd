import {
  type CallContext,
  isOutside,
  LanekeeperError,
  notFound,
  permissionDenied,
} from "@lanekeeper/rpc";
import {
  agentBoundBy,
  type CanonicalKey,
  checkKeyPermission,
  isBound,
  isKeyWithin,
  keyBoundBy,
} from "@lanekeeper/session-key";
import { readSession } from "../store/answering/sessions.ts";
import type { Sql } from "../store/sql.ts";
import type { StoredTurn } from "../store/turn-row.ts";

/**
 * By the key alone, so that it tells nothing of what stands under it.
 * @throws PERMISSION_DENIED if the caller's credential is bound to other agents or keys
 */
export function requireKey<K extends string>(key: K, call: CallContext): K {
  const by = keyBoundBy(key, call);
  if (by === undefined) return key;
  throw permissionDenied("the key is none of those that the credential is bound to", {
    bound_by: by,
  });
}

/**
 * A key that the caller may have a turn of. The system's own lanes are closed to outside credentials, and those
 * of typed peers to who is no adapter, whether the name was resolved before or the key was always known.
 * @throws PERMISSION_DENIED, RESERVED_NAMESPACE
 */
export function requireUsable(key: CanonicalKey, call: CallContext): void {
  requireKey(key, call);
  const refusal = checkKeyPermission(key, {
    outside: isOutside(call),
    scopes: call.scopes,
    keyPrefixes: call.keyPrefixes,
    // Channels without a profile are known to session-identity alone, which judges when a name is resolved.
    typedChannels: { has: () => false },
  });
  if (refusal === undefined) return;
  const field = "session.session_key";
  throw new LanekeeperError(refusal.reason, `${field}: ${refusal.message}`, {
    metadata: { field },
    fieldViolations: [{ field, description: refusal.message }],
  });
}

/** @throws PERMISSION_DENIED if the caller's credential is bound to other agents */
export function requireAgent(agentId: string, call: CallContext): void {
  const by = agentBoundBy(agentId, call);
  if (by === undefined) return;
  throw permissionDenied("the credential may not use this agent", {
    agent_id: agentId,
    bound_by: by,
  });
}

/** Whether the caller may know of a turn: its own, and those of its keys; one without is its agent's. */
function isTold({ sessionKey, agentId, principal }: StoredTurn, call: CallContext): boolean {
  return principal === call.principal || isKeyWithin(sessionKey ?? `agent:${agentId}:`, call);
}

/** @throws NOT_FOUND, the same where there is none and where it is out of the credential's bounds */
export function requireTold(
  turn: StoredTurn | undefined,
  turnId: string,
  call: CallContext,
): StoredTurn {
  if (turn !== undefined && isTold(turn, call)) return turn;
  throw notFound("turn", turnId);
}

/** Whether the caller may know of a session; one that is out of its bounds is like one that never was. */
export async function isSessionTold(
  sql: Sql,
  sessionId: string,
  call: CallContext,
): Promise<boolean> {
  if (!isBound(call)) return true;
  const session = await readSession(sql, call.tenant, sessionId);
  return session !== undefined && isKeyWithin(session.sessionKey, call);
}
