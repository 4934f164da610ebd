import { isAgentWithin } from "@lanekeeper/session-key";
import { readAgents } from "../store/agents.ts";
import type { Handler } from "./handler.ts";

/** The tenant's agents as they are in force; of them those that the credential may use. */
export const listAgents: Handler<"listAgents"> =
  ({ deps }) =>
  async (_request, call) => {
    const found = await readAgents(deps.db, call.tenant);
    const agents = found.agents.filter(({ agentId }) => isAgentWithin(agentId, call));
    return { ...found, agents };
  };
