import { storeUnavailable } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { notToBeMade } from "../domain/minted.ts";
import { holdsAllItMay } from "../domain/quota.ts";
import { LIMITS } from "../limits.ts";
import { checkMayUse, nameCaller } from "../names/caller.ts";
import { bindingOf, checkMayBind, newBinding } from "../names/bind.ts";
import { bindName } from "../store/names/bind-name.ts";
import type { IdentityRoutes } from "./handler.ts";
import { agentId, givenName } from "./parse/key.ts";
import { label } from "./parse/text.ts";
import { showBinding } from "./show/binding.ts";
import { refusalError } from "./show/refusal.ts";

/** Known by its name: a repeat, and a racer, get the binding that stands. */
export function registerKey({
  db,
  resolver,
  replica,
}: IdentityContext): IdentityRoutes["registerKey"] {
  return async (request, call) => {
    const source = label("source", request.source, LIMITS.maxSourceBytes) || "register";
    const agent = agentId(request.agentId);
    const name = givenName(request.name);
    const caller = nameCaller(call);
    for (let attempt = 0; attempt < LIMITS.resolveAttempts; attempt += 1) {
      const looked = await resolver.lookUp(agent, name, caller);
      const { plan, found, key, tenant } = looked;
      checkMayUse(key, caller, tenant);
      if (looked.bound) return { binding: showBinding(bindingOf(plan, found, key)) };
      checkMayBind(key, tenant, plan.ruleSetVersion);
      const refusal = notToBeMade(key, false, found.nowMs);
      if (refusal !== undefined) throw refusalError(refusal);
      const binding = newBinding(plan, key, tenant, source);
      if (!(await bindName(db, binding, caller.asker, replica))) {
        throw refusalError(holdsAllItMay("names"));
      }
    }
    throw storeUnavailable("the name changed each time that it was looked up; ask again");
  };
}
