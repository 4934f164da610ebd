import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import {
  getDefaultEnvironment,
  StdioClientTransport,
} from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import type { jsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/types.js";
import type { McpHttp, McpServer, McpStdio } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import type { Clock, Log } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { boundedFetch } from "../http/bounded-fetch.ts";
import { ownOriginFetch } from "../http/own-origin.ts";
import { type McpTool, ToolList } from "./tool-list.ts";
import { publicFetch } from "../http/public-only.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A server that is connected, with the tools that it has now. */
export interface McpConnection {
  readonly client: Client;
  tools(): Promise<readonly McpTool[]>;
  /** Something is asked there: to make room it is not closed meanwhile. */
  use<T>(ask: (client: Client) => Promise<T>): Promise<T>;
  readonly isInUse: boolean;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
}

/**
 * Nothing of ours reads an answer by the server's own schema of it. To judge by it would be to compile, and to
 * run on whatever the server says next, patterns that take as long as the server likes.
 */
const UNJUDGED: jsonSchemaValidator = {
  getValidator: () => (input) => ({ valid: true, data: input as never, errorMessage: undefined }),
};

/** Connects to a server and asks what it can do. @throws where it cannot be reached or started, or does not tell. */
export async function connectMcp(
  server: McpServer,
  env: Environment,
  clock: Pick<Clock, "monotonicMs">,
  log: Log,
): Promise<McpConnection> {
  const client = new Client(
    { name: "lanekeeper", version: "1" },
    { jsonSchemaValidator: UNJUDGED },
  );
  const closed = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  const transport = transportTo(server, env, log);
  try {
    await client.connect(transport, { timeout: LIMITS.mcpConnectMs });
  } catch (error) {
    await client.close().catch(() => undefined);
    throw error;
  }
  client.onerror = (err) => log.warn({ err, mcp_server: server.name }, "an MCP server is unwell");
  const list = new ToolList(() => listTools(client), clock);
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => list.changed());
  try {
    await list.read();
  } catch (error) {
    await client.close().catch(() => undefined);
    throw error;
  }
  return new Connected(client, list, closed);
}

class Connected implements McpConnection {
  readonly client: Client;
  readonly closed: Promise<void>;
  readonly #list: ToolList;
  #uses = 0;

  constructor(client: Client, list: ToolList, closed: Promise<void>) {
    this.client = client;
    this.#list = list;
    this.closed = closed;
  }

  get isInUse(): boolean {
    return this.#uses > 0;
  }

  tools(): Promise<readonly McpTool[]> {
    return this.use(() => this.#list.read());
  }

  async use<T>(ask: (client: Client) => Promise<T>): Promise<T> {
    this.#uses += 1;
    try {
      return await ask(this.client);
    } finally {
      this.#uses -= 1;
    }
  }
}

function transportTo(server: McpServer, env: Environment, log: Log): Transport {
  const { transport } = server;
  switch (transport.case) {
    case "stdio":
      return stdio(server.name, transport.value, env, log);
    case "http":
      return http(transport.value, env);
    case undefined:
      throw new Error("an MCP server without a transport");
  }
}

/** What it writes to standard error goes into the log; it ends when its standard input does. */
function stdio(
  name: string,
  { command, args, env: names, cwd }: McpStdio,
  env: Environment,
  log: Log,
) {
  const passed = Object.fromEntries(names.map((variable) => [variable, valueOf(env, variable)]));
  const transport = new StdioClientTransport({
    command,
    args,
    env: { ...getDefaultEnvironment(), ...passed },
    stderr: "pipe",
    maxBufferSize: LIMITS.mcpMessageBytes,
    ...(cwd === "" ? {} : { cwd }),
  });
  transport.stderr?.on("data", (chunk: Buffer) => {
    log.info({ mcp_server: name, said: chunk.toString().slice(0, LIMITS.mcpLogChars) }, "said");
  });
  return transport;
}

function http({ url, headerEnv, publicOnly }: McpHttp, env: Environment): Transport {
  const headers = Object.fromEntries(
    Object.entries(headerEnv).map(([header, variable]) => [header, valueOf(env, variable)]),
  );
  // The package's own type says `string | undefined` where its interface says `string`.
  return new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    fetch: boundedFetch(LIMITS.mcpMessageBytes, ownOriginFetch(publicOnly ? publicFetch : fetch)),
  }) as Transport;
}

function valueOf(env: Environment, variable: string): string {
  const value = env[variable];
  if (value === undefined) throw new Error(`the variable ${variable} is not set for the runner`);
  return value;
}

/** All pages within the time and the size of one answer. @throws where they are more */
async function listTools(client: Client): Promise<readonly McpTool[]> {
  const found: McpTool[] = [];
  if (client.getServerCapabilities()?.tools === undefined) return found;
  const endMs = performance.now() + LIMITS.mcpConnectMs;
  let cursor: string | undefined;
  let bytes = 0;
  for (let pages = 0; pages < LIMITS.toolsPerAgent; pages += 1) {
    const page = await client.listTools(cursor === undefined ? {} : { cursor }, {
      timeout: Math.max(1, endMs - performance.now()),
    });
    bytes += JSON.stringify(page.tools).length;
    if (bytes > LIMITS.mcpMessageBytes) throw new Error("an MCP server tells of too many tools");
    for (const { name, description = "", inputSchema, annotations } of page.tools) {
      const isRepeatable =
        annotations?.idempotentHint === true || annotations?.readOnlyHint === true;
      found.push({ name, description, inputSchema, isRepeatable });
    }
    cursor = page.nextCursor;
    if (cursor === undefined || found.length >= LIMITS.toolsPerAgent) break;
  }
  return found;
}
