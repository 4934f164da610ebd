import { inTrace } from "@lanekeeper/service";
import type { IdentityContext } from "../context.ts";
import { askerOf } from "../names/caller.ts";
import { applyPolicies } from "../store/tenants/apply-policies.ts";
import type { IdentityRoutes } from "./handler.ts";
import { policies } from "./parse/policies.ts";

export function applyKeyPolicies(context: IdentityContext): IdentityRoutes["applyKeyPolicies"] {
  const { db, replica, log } = context;
  return async (request, call) => {
    const next = policies(request);
    const version = await applyPolicies(db, call.tenant, next, askerOf(call), replica);
    const { tenant, principal } = call;
    inTrace(log, call.traceparent).info(
      { tenant, principal, version: String(version) },
      "key policies are in force",
    );
    return { version };
  };
}
