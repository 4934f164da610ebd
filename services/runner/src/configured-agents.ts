import { modelFor, modelNameOf } from "./models/registry.ts";
import type { McpPool } from "./mcp/mcp-pool.ts";
import { mcpTools } from "./mcp/mcp-tools.ts";
import { toolsFor } from "./tools/registry.ts";
import type { AgentBehaviour } from "./deps.ts";

/** Agents that answer by the model and the tools of their configuration. */
export function configuredAgents(
  env: Readonly<Record<string, string | undefined>>,
  mcp: McpPool,
): AgentBehaviour {
  return {
    model: (agent) => modelFor(agent, env),
    modelName: modelNameOf,
    tools: async (tenant, agent, deps, log) => {
      const builtIn = toolsFor(agent, deps);
      if (agent.mcpServers.length === 0) return builtIn;
      return [...builtIn, ...(await mcpTools(mcp, tenant, agent, log))];
    },
  };
}
