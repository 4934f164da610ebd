import { type CallContext, invalid, notFound } from "@lanekeeper/rpc";
import type { CanonicalKey } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { StandingKey } from "../domain/key-state.ts";
import { checkBounds } from "../names/caller.ts";
import { leadsOut } from "../names/leads.ts";
import { findGeneration } from "../store/keys/find-generation.ts";
import type { IdentityRoutes } from "./handler.ts";
import { sessionKey } from "./parse/key.ts";
import { uuid } from "./parse/text.ts";
import { showRotation, showSession } from "./show/session.ts";
import { visibleSession } from "./visible.ts";

export function getSession(context: IdentityContext): IdentityRoutes["getSession"] {
  return async ({ session }, call) => {
    if (session.case === "sessionKey") {
      const key = sessionKey("session_key", session.value);
      checkBounds(key, call);
      const state = await read(context, call, key, key);
      if (state.movedTo !== undefined) checkBounds(state.movedTo, call);
      return { session: showSession(state) };
    }
    if (session.case === "sessionId") return byId(context, call, uuid("session_id", session.value));
    throw invalid("session", "session_key or session_id is required");
  };
}

/** Also a session that stood there before: then the rotation that brought it there is told. */
async function byId(context: IdentityContext, call: CallContext, sessionId: string) {
  const found = await findGeneration(context.db, call.tenant, sessionId);
  if (found === undefined) throw notFound("session", sessionId);
  const state = await read(context, call, found.sessionKey, sessionId);
  if (leadsOut(state, call)) throw notFound("session", sessionId);
  const session = showSession(state);
  const { rotation } = found;
  const stoodBefore = state.session.sessionId !== sessionId && rotation !== undefined;
  return stoodBefore ? { session, rotation: showRotation(rotation) } : { session };
}

async function read(
  { reads }: IdentityContext,
  call: CallContext,
  key: CanonicalKey,
  name: string,
): Promise<StandingKey> {
  const wanted = { tenant: call.tenant, sessionKey: key, runId: undefined };
  const { state } = await reads.key(wanted, call.abortState);
  return visibleSession(state, call, name);
}
