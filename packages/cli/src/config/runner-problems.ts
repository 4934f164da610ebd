import { create } from "@bufbuild/protobuf";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { LanekeeperError } from "@lanekeeper/rpc";
import { parseAgents } from "../../../../services/runner/src/rpc/parse-agents.ts";
import type { Config, TenantConfig } from "./schema.ts";
import { agentsRequest } from "./to-requests.ts";

/** What is wrong at a place of the file. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * What the runner itself would say of each agent, such as a tool that it does not have. It is asked for by its
 * own rules before anything is applied: it is the second to be told, and a refusal would leave the keys as
 * the file has them and the agents as they were.
 */
export function runnerProblems(config: Config): Problem[] {
  return Object.entries(config.tenants).flatMap(([tenant, entry]) => {
    const at = ["tenants", tenant, "agents"];
    const { agents = [] } = agentsRequest(entry);
    const whole = agents.map((agent) => create(AgentConfigSchema, agent));
    const problems = whole.flatMap((agent) =>
      problemsOf([agent], (field) => [...at, agent.agentId, ...pathOf(field, agent, entry)]),
    );
    return problems.length > 0 ? problems : problemsOf(whole, () => at);
  });
}

type Agents = Parameters<typeof parseAgents>[0];

function problemsOf(agents: Agents, place: (field: string) => PropertyKey[]): Problem[] {
  try {
    parseAgents(agents);
    return [];
  } catch (error) {
    if (!(error instanceof LanekeeperError)) throw error;
    const [, field = "", rest = error.message] =
      /^(agents[^\s:]*):? (.*)$/s.exec(error.message) ?? [];
    return [{ path: place(field), message: rest }];
  }
}

/** "agents[0].mcp_servers[1].http.url" stands at mcp_servers, by the server's name, url. */
function pathOf(field: string, { agentId }: Agents[number], tenant: TenantConfig): PropertyKey[] {
  const [, list, index = "", rest = ""] =
    /^agents\[0\]\.(mcp_servers)\[(\d+)\](.*)$/.exec(field) ?? [];
  if (list === undefined) return keysOf(field.replace(/^agents\[0\]/, ""));
  const names = Object.keys(tenant.agents[agentId]?.mcp_servers ?? {});
  return [list, names[Number(index)] ?? index, ...keysOf(rest.replace(/^\.(stdio|http)/, ""))];
}

function keysOf(field: string): PropertyKey[] {
  return [...field.matchAll(/[^.[\]]+/g)].map(([key]) => (/^\d+$/.test(key) ? Number(key) : key));
}
