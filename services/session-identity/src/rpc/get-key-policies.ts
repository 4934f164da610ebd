import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { isAgentWithin } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { AgentPolicy } from "../names/tenant.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import type { IdentityRoutes } from "./handler.ts";
import { DM_SCOPES, numberOf } from "./parse/enums.ts";

export function getKeyPolicies({ db }: IdentityContext): IdentityRoutes["getKeyPolicies"] {
  return async (_request, call) => {
    const { version, defaultAgentId, policies, applyMs } = await readTenant(db, call.tenant);
    const isToldDefault = defaultAgentId !== undefined && isAgentWithin(defaultAgentId, call);
    const told = [...policies.values()]
      .filter(({ agentId }) => isAgentWithin(agentId, call))
      .sort((a, b) => (a.agentId < b.agentId ? -1 : 1));
    return {
      defaultAgentId: isToldDefault ? defaultAgentId : "",
      policies: told.map(showPolicy),
      version,
      ...(version === 0n ? {} : { applyTime: timestampFromMs(applyMs) }),
    };
  };
}

function showPolicy({ agentId, dmScope, idleAfterMs, dailyAt, timeZone }: AgentPolicy) {
  return {
    agentId,
    dailyAt,
    timeZone,
    dmScope: numberOf(DM_SCOPES, dmScope),
    ...(idleAfterMs === undefined ? {} : { idleAfter: durationFromMs(idleAfterMs) }),
  };
}
