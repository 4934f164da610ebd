import { type CallContext, isOutside, notFound } from "@lanekeeper/rpc";
import { isKeyWithin } from "@lanekeeper/session-key";
import type { KeyState, StandingKey } from "../domain/key-state.ts";
import { hasSession } from "../domain/key-state.ts";

/** @throws NOT_FOUND where no session stands, or none that this caller is told of */
export function visibleSession(
  state: KeyState | undefined,
  call: CallContext,
  name: string,
): StandingKey {
  const hidden = state?.internal === true && isOutside(call);
  if (!hasSession(state) || hidden || !isKeyWithin(state.sessionKey, call))
    throw notFound("session", name);
  return state;
}
