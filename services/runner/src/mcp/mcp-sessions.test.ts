import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { systemClock } from "@lanekeeper/service";
import { captureLog } from "@lanekeeper/service/testing";
import { afterEach, expect, test } from "vitest";
import { McpPool } from "./mcp-pool.ts";
import { mcpTools } from "./mcp-tools.ts";
import type { ToolContext } from "../tools/tool.ts";

const servers: HttpServer[] = [];
const pools: McpPool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Asked {
  readonly id?: number;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly arguments?: { readonly how?: string } };
}

/**
 * A server with sessions, which it may forget, as one does that is started again. What is to be done "badly" it
 * refuses; what is to be done "slowly" it does once it is let.
 */
async function serverWithSessions() {
  const sessions = new Set<string>();
  const called: string[] = [];
  let letGo = (): void => undefined;
  const slowly = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const answers = (asked: Asked): object => {
    if (asked.method === "ping") return {};
    if (asked.method === "tools/list") {
      return { tools: [{ name: "act", inputSchema: { type: "object" } }] };
    }
    called.push(asked.params?.name ?? "");
    return { content: [{ type: "text", text: "acted" }] };
  };
  const http = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    if (request.method !== "POST") return void response.writeHead(405).end();
    const asked = JSON.parse(body) as Asked;
    const json = { "content-type": "application/json" };
    if (asked.method === "initialize") {
      const id = randomUUID();
      sessions.add(id);
      const result = {
        protocolVersion: "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "odd", version: "1" },
      };
      response.writeHead(200, { ...json, "mcp-session-id": id });
      return void response.end(JSON.stringify({ jsonrpc: "2.0", id: asked.id, result }));
    }
    if (!sessions.has(String(request.headers["mcp-session-id"]))) {
      const error = { code: -32001, message: "Session not found" };
      response.writeHead(404, json);
      return void response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
    }
    if (asked.id === undefined) return void response.writeHead(202).end();
    const how = asked.params?.arguments?.how;
    if (how === "badly") {
      called.push(how);
      return void response.writeHead(400, json).end();
    }
    if (how === "slowly") {
      called.push(how);
      await slowly;
    }
    response.writeHead(200, json);
    response.end(JSON.stringify({ jsonrpc: "2.0", id: asked.id, result: answers(asked) }));
  });
  servers.push(http.listen(0, "127.0.0.1"));
  await once(http, "listening");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  return { url, sessions, called, letGo: () => letGo() };
}

/** An agent that calls the server's tool. */
function caller(url: string) {
  const { log } = captureLog();
  const pool = new McpPool({}, systemClock, log);
  pools.push(pool);
  const server = { name: "web", transport: { case: "http" as const, value: { url } } };
  const agent = create(AgentConfigSchema, { mcpServers: [server] });
  return async (how = "") => {
    const [tool] = await mcpTools(pool, "t1", agent, log);
    return tool?.run(JSON.stringify({ how }), context);
  };
}

const context = { signal: new AbortController().signal } as ToolContext;

test("a server that has forgotten our session is called in a new one", async () => {
  const { url, sessions, called } = await serverWithSessions();
  const act = caller(url);
  expect(await act()).toEqual({ text: "acted", isError: false });
  sessions.clear();
  expect(await act()).toEqual({ text: "acted", isError: false });
  expect(called).toEqual(["act", "act"]);
});

test("a call that a server refuses in a session which it knows ends no other call there, and is not made twice", async () => {
  const { url, sessions, called, letGo } = await serverWithSessions();
  const act = caller(url);
  const slow = act("slowly");
  await expect.poll(() => called).toEqual(["slowly"]);
  expect(await act("badly")).toMatchObject({ isError: true });
  letGo();
  expect(await slow).toEqual({ text: "acted", isError: false });
  expect(called).toEqual(["slowly", "badly", "act"]);
  expect(sessions.size).toBe(1);
});
