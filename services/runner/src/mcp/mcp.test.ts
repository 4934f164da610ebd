import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { McpServerSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import { afterEach, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { mcpAgents, type Server } from "../testing/mcp-agents.ts";
import { shownName } from "./mcp-tools.ts";

const SERVER = fileURLToPath(new URL("../testing/mcp-server.mjs", import.meta.url));
const { toolsOf } = mcpAgents();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

function stdio(more: { env?: string[]; tools?: string[]; command?: string } = {}): Server {
  const { env = [], tools = [], command = process.execPath } = more;
  return {
    name: "test",
    transport: { case: "stdio", value: { command, args: [SERVER], env } },
    tools,
  };
}

/** The same server at an address, in a process of its own. */
async function web(tools: string[] = []): Promise<Server> {
  const child = spawn(process.execPath, [SERVER, "http"], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [port] = (await once(createInterface(child.stdout), "line")) as [string];
  const value = { url: `http://127.0.0.1:${port}/mcp`, headerEnv: { authorization: "TOKEN" } };
  return { name: "web", transport: { case: "http", value }, tools };
}

test("a program's tools are the agent's, with their schemas, their answers and their failures", async () => {
  const { listed, call } = await toolsOf(stdio({ env: ["SHOWN"] }), { SHOWN: "yes", HIDDEN: "no" });
  const tools = await listed();
  expect([...tools.keys()].slice(0, 3)).toEqual(["test__add", "test__env", "test__whoami"]);
  const add = tools.get("test__add");
  expect(add?.spec.parameters).toMatchObject({ type: "object", required: ["a", "b"] });
  expect(add?.isRepeatable).toBe(true);
  expect(tools.get("test__env")?.isRepeatable).toBe(false);
  expect(await call(add, { a: 2, b: 3 })).toEqual({ text: "5", isError: false });
  const env = tools.get("test__env");
  expect(await call(env, { name: "SHOWN" })).toEqual({ text: "yes", isError: false });
  expect(await call(env, { name: "HIDDEN" })).toEqual({ text: "unset", isError: false });
  expect(await call(tools.get("test__fail"))).toEqual({ text: "no luck", isError: true });
  expect(await call(add, { a: "x" })).toMatchObject({ isError: true });
});

test("pictures, sounds and files that a server answers with are files, each by a name", async () => {
  const { listed, call } = await toolsOf(stdio());
  const { text, files = [] } = await call((await listed()).get("test__draw"));
  expect(text).toBe("drawn\na note\n[resource https://example.com/x]");
  const shown = files.map(({ fileName, mediaType, source }) => {
    return [fileName, mediaType, Buffer.from(source.value ?? "").toString()];
  });
  expect(shown).toEqual([
    ["image.png", "image/png", "png"],
    ["audio.wav", "audio/wav", "wave"],
    ["a b.pdf", "application/pdf", "pdf"],
  ]);
});

test("a call ends with the agent's limits of time and output", async () => {
  const hasty = await toolsOf(stdio(), {}, { timeout: { seconds: 1n } });
  const hang = (await hasty.listed()).get("test__hang");
  expect((await hasty.call(hang)).text).toContain("did not answer within 1 s");
  const { listed, call } = await toolsOf(stdio(), {}, { outputBytes: 1_025 });
  const tools = await listed();
  const long = (await call(tools.get("test__long"))).text;
  // Whole characters of two bytes each.
  expect(long).toBe(`${"é".repeat(512)}\n[cut: 8976 of 10000 bytes left out]`);
  expect(await call(tools.get("test__add"), { a: 1, b: 1 })).toMatchObject({ text: "2" });
});

// A program's connection ends with it; what an address says otherwise is waited for.
test.each([
  ["a program", 20n],
  ["an address", 3n],
] as const)(
  "%s that says more at once than a message may have is not listened to, and the log names the bound",
  async (what, seconds) => {
    const server = what === "a program" ? stdio() : await web();
    const { listed, call, log } = await toolsOf(server, { TOKEN: "x" }, { timeout: { seconds } });
    const flood = (await listed()).get(`${server.name}__flood`);
    expect((await call(flood)).isError).toBe(true);
    await expect.poll(() => log.text()).toContain(String(LIMITS.mcpMessageBytes));
  },
);

test("of what a program says at once on standard error so much is logged", async () => {
  const { listed, call, log } = await toolsOf(stdio());
  await call((await listed()).get("test__shout"));
  const said = () => log.lines.find((line) => line["msg"] === "said")?.["said"];
  await expect.poll(said).toBe("e".repeat(LIMITS.mcpLogChars));
});

test("a replica keeps as many connections as it may; the one that was not needed for longest goes", async () => {
  const server = await web();
  const { pool } = await toolsOf(server, { TOKEN: "x" });
  const connect = (n: number) =>
    pool.connection("t1", create(McpServerSchema, { ...server, name: `s${n}` } as Server));
  const closed: number[] = [];
  for (let n = 0; n < LIMITS.mcpConnections; n++) {
    const connection = await connect(n);
    void connection?.closed.then(() => closed.push(n));
  }
  await connect(0);
  expect(closed).toEqual([]);
  expect(await connect(LIMITS.mcpConnections)).toBeDefined();
  await expect.poll(() => closed).toEqual([1]);
});

test("a connection in which a call is under way is not closed to make room; where all have one there is none", async () => {
  const server = await web();
  const { pool, log } = await toolsOf(server, { TOKEN: "x" });
  const connect = (n: number) =>
    pool.connection("t1", create(McpServerSchema, { ...server, name: `s${n}` } as Server));
  const asked = gate();
  const answers: Promise<unknown>[] = [];
  const closed: number[] = [];
  for (let n = 0; n < LIMITS.mcpConnections; n++) {
    const connection = await connect(n);
    void connection?.closed.then(() => closed.push(n));
    const call = async () => {
      await asked.opened;
      return connection?.client.ping();
    };
    if (n !== 7) answers.push(connection?.use(call) ?? Promise.reject(new Error(`no ${n}`)));
  }
  const last = await connect(LIMITS.mcpConnections);
  void last?.use(() => asked.opened);
  await expect.poll(() => closed).toEqual([7]);
  expect(await connect(LIMITS.mcpConnections + 1)).toBeUndefined();
  expect(log.text()).toContain(`${LIMITS.mcpConnections} MCP servers are in use here`);
  asked.open();
  expect(await Promise.all(answers)).toEqual(answers.map(() => ({})));
  expect(await connect(LIMITS.mcpConnections + 1)).toBeDefined();
});

test("a server that went away is started again for the next turn", async () => {
  const { listed, call } = await toolsOf(stdio());
  const die = (await listed()).get("test__die");
  expect(await call(die)).toMatchObject({ isError: true });
  expect(await call((await listed()).get("test__add"), { a: 1, b: 2 })).toMatchObject({
    text: "3",
  });
});

test("and for the next call of the same turn, which would else have none of its tools any more", async () => {
  const { listed, call } = await toolsOf(stdio());
  const tools = await listed();
  expect(await call(tools.get("test__die"))).toMatchObject({ isError: true });
  expect(await call(tools.get("test__add"), { a: 1, b: 2 })).toEqual({ text: "3", isError: false });
});

test("an address's tools are the agent's too, asked with the headers of the configuration", async () => {
  const { listed, call } = await toolsOf(await web(["whoami"]), { TOKEN: "Bearer x" });
  const tools = await listed();
  expect([...tools.keys()]).toEqual(["web__whoami"]);
  expect(await call(tools.get("web__whoami"))).toEqual({ text: "Bearer x", isError: false });
});

test.each([
  ["cannot be started", stdio({ command: "/nowhere/at/all" }), "ENOENT"],
  ["lacks a variable", stdio({ env: ["MISSING"] }), "the variable MISSING is not set"],
])(
  "without a server that %s the agent has no tools of it, and the log says why",
  async (_what, server, why) => {
    const { listed, log } = await toolsOf(server);
    expect((await listed()).size).toBe(0);
    expect(log.text()).toContain(why);
    const lines = log.lines.length;
    // It is left alone for a while.
    expect((await listed()).size).toBe(0);
    expect(log.lines.length).toBe(lines);
  },
);

test("names fit what providers take, and stay apart", () => {
  expect(shownName("a", "b")).toBe("a__b");
  const [dotted, underscored] = [shownName("a", "b.c"), shownName("a", "b_c")];
  expect(dotted).toMatch(/^a__b_c_[0-9a-f]{8}$/);
  expect(underscored).toBe("a__b_c");
  expect(shownName("a", "x".repeat(100))).toMatch(/^[A-Za-z0-9_-]{64}$/);
});

/** A server that can be connected to, and does not tell what tools it has. */
const MUTE = `
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  const answer = (more) => console.log(JSON.stringify({ jsonrpc: "2.0", id, ...more }));
  if (method === "initialize") {
    const serverInfo = { name: "mute", version: "1" };
    answer({ result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } });
  }
  if (method !== "tools/list") return;
  console.error("asked for tools");
  answer({ error: { code: -32603, message: "no idea" } });
});`;

test("a server that does not tell its tools is told of in the log, and left alone for a while", async () => {
  const value = { command: process.execPath, args: ["-e", MUTE] };
  const { listed, log } = await toolsOf({ name: "mute", transport: { case: "stdio", value } });
  expect([...(await listed()).keys()]).toEqual([]);
  expect([...(await listed()).keys()]).toEqual([]);
  const told = log.lines.filter(({ msg }) => msg === "an MCP server cannot be reached");
  expect(told).toMatchObject([
    { mcp_server: "mute", err: { message: expect.stringContaining("no idea") } },
  ]);
});
