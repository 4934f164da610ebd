import type { CallContext } from "@lanekeeper/rpc";
import { type CanonicalKey, isBound } from "@lanekeeper/session-key";
import { removeAlias as remove } from "../acts/register-alias.ts";
import type { IdentityContext } from "../context.ts";
import { askerOf, checkBounds } from "../names/caller.ts";
import { decided } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { sessionKey } from "./parse/key.ts";
import { note } from "./parse/text.ts";

export function removeAlias(context: IdentityContext): IdentityRoutes["removeAlias"] {
  return async (request, call) => {
    const alias = sessionKey("alias_session_key", request.aliasSessionKey);
    const why = note(request.note);
    checkBounds(alias, call);
    if (isBound(call)) await checkLeads(context, call, alias);
    const actor = { tenant: call.tenant, asker: askerOf(call) };
    const result = await remove(context, actor, alias, why);
    const about = { session_key: alias };
    return { previousSessionKey: decided(context, call, "remove_alias", about, result) };
  };
}

/** Where it leads is told, so it must not lead out of the bounds; a name that does is of no use to the caller. */
async function checkLeads(
  { reads }: IdentityContext,
  call: CallContext,
  alias: CanonicalKey,
): Promise<void> {
  const wanted = { tenant: call.tenant, sessionKey: alias, runId: undefined };
  const { state } = await reads.key(wanted, call.abortState);
  if (state?.aliasOf !== undefined) checkBounds(state.aliasOf, call);
}
