import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ManualClock } from "@lanekeeper/service/testing";
import { afterEach, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { mcpAgents, type Server } from "../testing/mcp-agents.ts";

const { toolsOf } = mcpAgents();
const servers: HttpServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server that answers each method as it likes; tells which it was asked, and how often. */
async function serverOf(result: (method: string) => object): Promise<[Server, string[]]> {
  const asked: string[] = [];
  const http = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { id, method } = JSON.parse(Buffer.concat(chunks).toString() || "{}") as Asked;
    if (id === undefined)
      return void response.writeHead(request.method === "GET" ? 405 : 202).end();
    asked.push(method);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: result(method) }));
  });
  servers.push(http.listen(0, "127.0.0.1"));
  await once(http, "listening");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  return [{ name: "odd", transport: { case: "http", value: { url } } }, asked];
}

interface Asked {
  readonly id?: number;
  readonly method: string;
}

const HELLO = {
  protocolVersion: "2025-06-18",
  capabilities: { tools: {} },
  serverInfo: { name: "odd", version: "1" },
};

test("tools that a server has by now are the agent's before long, though it does not say that they have changed", async () => {
  const tools = [{ name: "old", inputSchema: { type: "object" } }];
  const [server, asked] = await serverOf((method) => (method === "initialize" ? HELLO : { tools }));
  const clock = new ManualClock();
  const { listed } = await toolsOf(server, {}, {}, clock);
  const names = async () => [...(await listed()).keys()];
  expect(await names()).toEqual(["odd__old"]);
  tools.splice(0, 1, { name: "new", inputSchema: { type: "object" } });
  expect(await names()).toEqual(["odd__old"]);
  await clock.advance(LIMITS.mcpToolsMs);
  await expect.poll(names).toEqual(["odd__new"]);
  expect(asked.filter((method) => method === "tools/list")).toHaveLength(2);
});

test("a server whose list of tools has no end is left alone", async () => {
  const [endless, asked] = await serverOf((method) =>
    method === "initialize" ? HELLO : { tools: [], nextCursor: "more" },
  );
  const { listed } = await toolsOf(endless);
  expect((await listed()).size).toBe(0);
  expect(asked.filter((method) => method === "tools/list")).toHaveLength(LIMITS.toolsPerAgent);
  const description = "x".repeat(LIMITS.mcpMessageBytes / 8);
  const tool = { name: "t", description, inputSchema: { type: "object" } };
  const [large, pages] = await serverOf((method) =>
    method === "initialize" ? HELLO : { tools: [tool], nextCursor: "more" },
  );
  expect((await (await toolsOf(large)).listed()).size).toBe(0);
  expect(pages.length).toBeLessThan(12);
});

test("answers are not judged by the schema that their server gave", async () => {
  // Of a text of so many "a" and a "b" its pattern takes minutes, in which nothing else would be done.
  const outputSchema = {
    type: "object" as const,
    properties: { a: { type: "string", pattern: "^(a+)+$" } },
  };
  const tool = { name: "slow", inputSchema: { type: "object" }, outputSchema };
  const answer = { content: [], structuredContent: { a: `${"a".repeat(26)}b` } };
  const [server] = await serverOf((method) => {
    if (method === "initialize") return HELLO;
    return method === "tools/list" ? { tools: [tool] } : answer;
  });
  const { listed, call } = await toolsOf(server);
  const outcome = await call((await listed()).get("odd__slow"));
  expect(outcome).toEqual({ text: JSON.stringify(answer.structuredContent), isError: false });
});

test("of two tools of one name the first is the agent's: providers refuse a name twice", async () => {
  const described = (description: string, name = "look") => ({
    ...{ name, description },
    inputSchema: { type: "object" },
  });
  const tools = [described("first"), described("other", "x"), described("second")];
  const [server] = await serverOf((method) => (method === "initialize" ? HELLO : { tools }));
  const { listed } = await toolsOf(server);
  const found = [...(await listed()).values()];
  expect(found.map(({ spec }) => [spec.name, spec.description])).toEqual([
    ["odd__look", "first"],
    ["odd__x", "other"],
  ]);
});
