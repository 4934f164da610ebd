import { toJsonString } from "@bufbuild/protobuf";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { type McpServer, McpServerSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import { type CallContext, peerName, permissionDenied } from "@lanekeeper/rpc";
import { readAgents } from "../store/agents.ts";
import { publicButFor } from "./public-endpoints.ts";
import type { Sql } from "../store/sql.ts";

/** What an agent's configuration takes of the runner's own: its rights, or one of its variables. */
interface Taken {
  /** Equal for what is equal. */
  readonly text: string;
  /** For people: which part of the configuration it is. */
  readonly part: Readonly<Record<string, string>>;
}

/**
 * Programs run with the runner's rights, its variables may hold other tenants' secrets, which an endpoint
 * of somebody's choice would be sent, and it reaches addresses that nobody reaches from outside. All three are
 * given by whoever holds the cluster's secret, in the configuration; who comes through ingress, a tenant's
 * credential, may keep what stands there, and add only addresses that need neither a program nor a variable, which
 * are called where they are public.
 * @throws PERMISSION_DENIED
 */
export async function withinRights(
  sql: Sql,
  given: readonly AgentConfig[],
  call: Pick<CallContext, "peer" | "tenant">,
): Promise<readonly AgentConfig[]> {
  if (peerName(call.peer) === "cli") return given;
  const { agents: standing } = await readAgents(sql, call.tenant);
  const agents = publicButFor(standing, given);
  refuseFresh(standing, agents);
  return agents;
}

function refuseFresh(standing: readonly AgentConfig[], agents: readonly AgentConfig[]): void {
  const asked = agents.flatMap(takenBy);
  const known = new Set(standing.flatMap(takenBy).map(({ text }) => text));
  const fresh = asked.find(({ text }) => !known.has(text));
  if (fresh === undefined) return;
  throw permissionDenied(
    "programs and variables of the runner are given by its configuration: `lanekeeper config apply`",
    fresh.part,
  );
}

function takenBy(agent: AgentConfig): Taken[] {
  const servers = agent.mcpServers.filter(needsTheRunner).map((server) => ({
    text: toJsonString(McpServerSchema, server),
    part: { mcp_server: server.name },
  }));
  const provider = agent.model?.provider;
  if (provider?.case !== "openaiCompatible" || provider.value.apiKeyEnv === "") return servers;
  const { baseUrl, apiKeyEnv } = provider.value;
  const text = JSON.stringify(["model", baseUrl, apiKeyEnv]);
  return [...servers, { text, part: { api_key_env: apiKeyEnv } }];
}

function needsTheRunner({ transport }: McpServer): boolean {
  return transport.case === "stdio" || Object.keys(transport.value?.headerEnv ?? {}).length > 0;
}
