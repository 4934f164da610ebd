import { toJsonString } from "@bufbuild/protobuf";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { type McpServer, McpServerSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import { type CallContext, peerName, permissionDenied } from "@lanekeeper/rpc";
import { readAgents } from "../store/agents.ts";
import type { Sql } from "../store/sql.ts";

/**
 * Programs run with the runner's rights, and its variables may hold other tenants' secrets. Both are
 * given by whoever holds the cluster's secret, in the configuration; who comes through ingress, a
 * tenant's credential, may keep what stands there, and add only addresses that need neither.
 * @throws PERMISSION_DENIED
 */
export async function checkMcpPermission(
  sql: Sql,
  agents: readonly AgentConfig[],
  call: Pick<CallContext, "peer" | "tenant">,
): Promise<void> {
  if (peerName(call.peer) === "cli") return;
  const asked = agents.flatMap(({ mcpServers }) => mcpServers).filter(needsTheRunner);
  if (asked.length === 0) return;
  const standing = (await readAgents(sql, call.tenant)).agents.flatMap(
    ({ mcpServers }) => mcpServers,
  );
  const known = new Set(standing.map(textOf));
  const fresh = asked.find((server) => !known.has(textOf(server)));
  if (fresh === undefined) return;
  throw permissionDenied(
    "programs and variables of the runner are given by its configuration: `lanekeeper config apply`",
    { mcp_server: fresh.name },
  );
}

function needsTheRunner({ transport }: McpServer): boolean {
  return transport.case === "stdio" || Object.keys(transport.value?.headerEnv ?? {}).length > 0;
}

function textOf(server: McpServer): string {
  return toJsonString(McpServerSchema, server);
}
