import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { McpServerSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import { type Clock, systemClock } from "@lanekeeper/service";
import { captureLog } from "@lanekeeper/service/testing";
import { afterEach } from "vitest";
import { runTool, toolBounds } from "../answering/run-tool.ts";
import type { Environment } from "../mcp/mcp-connection.ts";
import { McpPool } from "../mcp/mcp-pool.ts";
import { mcpTools } from "../mcp/mcp-tools.ts";
import type { Tool, ToolContext } from "../tools/tool.ts";

export type Server = MessageInitShape<typeof McpServerSchema>;

/** Agents with a server each, whose connections end with the test. */
export function mcpAgents() {
  const pools: McpPool[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
  });
  return {
    /** The agent's tools by name, and what the replica logs. */
    toolsOf: async (
      server: Server,
      env: Environment = {},
      limits = {},
      clock: Clock = systemClock,
    ) => {
      const log = captureLog();
      const pool = new McpPool(env, clock, log.log);
      pools.push(pool);
      const agent = create(AgentConfigSchema, { mcpServers: [server], toolLimits: limits });
      const listed = async () => {
        const tools = await mcpTools(pool, "t1", agent, log.log);
        return new Map(tools.map((tool) => [tool.spec.name, tool]));
      };
      const call = (tool: Tool | undefined, args: object = {}) => {
        const made = {
          name: tool?.spec.name ?? "none",
          argumentsJson: JSON.stringify(args),
          callId: "c",
        };
        const asked = { $typeName: "lanekeeper.runner.v1.ToolCall" as const, ...made };
        return runTool({ clock: systemClock }, tool, asked, context, toolBounds(agent));
      };
      return { listed, call, log, pool };
    },
  };
}

const context: ToolContext = {
  tenant: "t1",
  principal: "p1",
  agentId: "main",
  session: undefined,
  turnId: "t",
  runId: "r",
  step: 1,
  callChain: [],
  rootTurnId: "t",
  nestedTurnsPerRequest: 256,
  traceparent: "",
  contextUse: { usedTokens: 0, budgetTokens: 1 },
  signal: new AbortController().signal,
};
