import { LanekeeperError } from "@lanekeeper/rpc";
import { registerAlias as register } from "../acts/register-alias.ts";
import type { IdentityContext } from "../context.ts";
import type { KeyState } from "../domain/key-state.ts";
import { askerOf, checkBounds } from "../names/caller.ts";
import { checkMayBind } from "../names/bind.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import { decided } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { sessionKey } from "./parse/key.ts";
import { note } from "./parse/text.ts";
import { showBinding } from "./show/binding.ts";

export function registerAlias(context: IdentityContext): IdentityRoutes["registerAlias"] {
  return async (request, call) => {
    const alias = sessionKey("alias_session_key", request.aliasSessionKey);
    const target = sessionKey("session_key", request.sessionKey);
    const why = note(request.note);
    if (alias === target) throw aliasOfItself();
    for (const key of [alias, target]) checkBounds(key, call);
    const tenant = await readTenant(context.db, call.tenant);
    // Both keys are made where they do not exist yet, so both agents must be able to open keys.
    for (const key of [alias, target]) checkMayBind(key, tenant, context.replica.rules.version);
    const actor = { tenant: call.tenant, asker: askerOf(call) };
    const result = await register(context, actor, alias, target, why);
    const row = decided(context, call, "register_alias", { session_key: alias }, result);
    return { binding: showBinding(bindingOf(row)) };
  };
}

function aliasOfItself(): LanekeeperError {
  return new LanekeeperError("ALIAS_CONFLICT", "a key is no alias of itself");
}

/** A canonical key is its own name. */
function bindingOf({
  agentId,
  sessionKey: key,
  aliasOf,
  ruleSetVersion,
  source,
  bindMs,
}: KeyState) {
  return {
    agentId,
    sessionKey: key,
    aliasOf,
    ruleSetVersion,
    source,
    name: { kind: "raw", raw: key } as const,
    firstSeenMs: bindMs,
    lastSeenMs: bindMs,
  };
}
