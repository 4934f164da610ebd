import { readAgents } from "../store/agents.ts";
import type { Handler } from "./handler.ts";

/** The tenant's agents as they are in force. */
export const listAgents: Handler<"listAgents"> =
  ({ deps }) =>
  (_request, call) =>
    readAgents(deps.db, call.tenant);
