import { inTrace } from "@lanekeeper/service";
import { writeAgents } from "../store/agents.ts";
import type { Handler } from "./handler.ts";
import { withinRights } from "./runner-rights.ts";
import { parseAgents, parseRunBound } from "./parse-agents.ts";

/** The tenant's agents as a whole; an unchanged set keeps its version. */
export const applyAgents: Handler<"applyAgents"> =
  ({ deps, agents }) =>
  async (request, call) => {
    const parsed = await withinRights(deps.db, parseAgents(request.agents), call);
    const version = await writeAgents(deps.db, call.tenant, {
      agents: parsed,
      maxConcurrentRuns: parseRunBound("max_concurrent_runs", request.maxConcurrentRuns),
    });
    agents.forget();
    inTrace(deps.log, call.traceparent).info(
      { tenant: call.tenant, principal: call.principal, version: Number(version) },
      "agents applied",
    );
    return { version };
  };
