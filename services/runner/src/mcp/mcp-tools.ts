import { createHash } from "node:crypto";
import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, type ContentBlock } from "@modelcontextprotocol/sdk/types.js";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { Log } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { fileOfBlock } from "./mcp-files.ts";
import type { Tool, ToolContext, ToolOutcome } from "../tools/tool.ts";
import type { McpConnection } from "./mcp-connection.ts";
import type { McpPool } from "./mcp-pool.ts";
import type { McpTool } from "./tool-list.ts";

/**
 * The tools of an agent's MCP servers, as far as these can be reached now: without a server the agent
 * answers without its tools.
 */
export async function mcpTools(
  pool: Pick<McpPool, "connection" | "anew">,
  tenant: string,
  { mcpServers }: Pick<AgentConfig, "mcpServers">,
  log: Log,
): Promise<Tool[]> {
  const found = await Promise.all(
    mcpServers.map(async (server) => {
      const connection = await pool.connection(tenant, server, log);
      if (connection === undefined) return [];
      const tools = await connection.tools().catch(() => []);
      return tools
        .filter(({ name }) => server.tools.length === 0 || server.tools.includes(name))
        .map((tool) => {
          const anew = (gone: McpConnection) => pool.anew(gone, tenant, server, log);
          return toolOf(server.name, tool, { connection, anew });
        });
    }),
  );
  // Providers refuse a name that stands there twice: "a" may have a "b__c", and "a__b" a "c".
  const names = new Set<string>();
  const apart = found.flat().filter(({ spec: { name } }) => !names.has(name) && names.add(name));
  return apart.slice(0, LIMITS.toolsPerAgent);
}

/** The server that a tool is called at. */
interface Called {
  readonly connection: McpConnection;
  /** Undefined: it cannot be reached any more. */
  readonly anew: (gone: McpConnection) => Promise<McpConnection | undefined>;
}

function toolOf(server: string, tool: McpTool, called: Called): Tool {
  const { name, description, inputSchema: parameters, isRepeatable } = tool;
  return {
    spec: { name: shownName(server, name), description, parameters },
    isRepeatable,
    run: (argumentsJson, context) => call(called, name, argumentsJson, context),
  };
}

const NAME_CHARS = 64;

/** Of the characters and the length that providers take; what had to be changed stays told apart. */
export function shownName(server: string, tool: string): string {
  const whole = `${server}__${tool}`;
  const plain = whole.replaceAll(/[^A-Za-z0-9_-]/g, "_");
  if (plain === whole && whole.length <= NAME_CHARS) return whole;
  const mark = createHash("sha256").update(whole).digest("hex").slice(0, 8);
  return `${plain.slice(0, NAME_CHARS - mark.length - 1)}_${mark}`;
}

async function call(
  called: Called,
  name: string,
  argumentsJson: string,
  { signal }: ToolContext,
): Promise<ToolOutcome> {
  const given = parseObject(argumentsJson);
  if (given === undefined) {
    return { text: "INVALID_REQUEST: the arguments are no JSON object", isError: true };
  }
  try {
    // The agent's own limit ends the call before; a server that is asked to stop may do so.
    const options = { signal, timeout: LIMITS.maxToolMs };
    const ask = (connection: McpConnection) =>
      connection.use((client) =>
        client.callTool({ name, arguments: given }, CallToolResultSchema, options),
      );
    const result = await asked(called, ask, signal);
    const { content, structuredContent, isError } = CallToolResultSchema.parse(result);
    const files = content.flatMap((block) => fileOfBlock(block) ?? []);
    const said = content.flatMap((block) => textOfBlock(block) ?? []).join("\n");
    const text = said === "" && structuredContent ? JSON.stringify(structuredContent) : said;
    return { text, isError: isError === true, ...(files.length === 0 ? {} : { files }) };
  } catch (error) {
    signal.throwIfAborted();
    const message = error instanceof Error ? error.message : "unknown error";
    return { text: `The tool's server failed: ${message.slice(0, 500)}`, isError: true };
  }
}

/**
 * Calls a tool where the server is now: it may have gone since the turn began, or have forgotten our session, and has
 * not done then what it was asked.
 */
async function asked<T>(
  { connection, anew }: Called,
  ask: (connection: McpConnection) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const here = isGone(connection) ? ((await anew(connection)) ?? connection) : connection;
  try {
    return await ask(here);
  } catch (error) {
    const other = (await hasForgotten(here, error, signal)) ? await anew(here) : undefined;
    if (other === undefined) throw error;
    return ask(other);
  }
}

function isGone({ client }: McpConnection): boolean {
  return client.transport === undefined;
}

/**
 * https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#session-management says 404; servers
 * after the SDK's examples say 400, as any does to what it does not like: one that answers a ping in the session
 * still knows it, and so the other calls there.
 */
async function hasForgotten(
  { client }: McpConnection,
  error: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  if (client.transport?.sessionId === undefined) return false;
  const status = statusOf(error);
  if (status !== 400) return status === 404;
  const pinged = await client.ping({ signal, timeout: LIMITS.mcpConnectMs }).catch(statusOf);
  return pinged === 400 || pinged === 404;
}

/** Of an answer over HTTP that is none of the protocol's. */
function statusOf(error: unknown): number | undefined {
  return error instanceof StreamableHTTPError ? error.code : undefined;
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json === "" ? "{}" : json);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** What the model is shown; undefined of what is a file, and told as one. */
function textOfBlock(block: ContentBlock): string | undefined {
  switch (block.type) {
    case "text":
      return block.text;
    case "resource":
      return "text" in block.resource ? block.resource.text : undefined;
    case "resource_link":
      return `[resource ${block.uri}]`;
    case "image":
    case "audio":
      return undefined;
  }
}
