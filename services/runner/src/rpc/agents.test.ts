import { createRunnerClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { turnFor } from "../testing/requests.ts";
import { SECRET } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const model = { provider: { case: "scripted" as const, value: {} } };

test.concurrent("agents are applied as a whole, and the version grows when something changed", async () => {
  await using world = await worlds.start();
  const { client } = await world.replica();
  expect(await client.listAgents({})).toMatchObject({ agents: [], version: 0n });
  const agents = [
    { agentId: "b", model },
    { agentId: "a", model, systemPrompt: "be brief" },
  ];
  expect((await client.applyAgents({ agents })).version).toBe(1n);
  expect((await client.applyAgents({ agents })).version).toBe(1n);
  const listed = await client.listAgents({});
  expect(listed.agents.map(({ agentId }) => agentId)).toEqual(["a", "b"]);
  expect((await client.applyAgents({ agents: agents.slice(1) })).version).toBe(2n);
  expect((await client.listAgents({})).agents.map(({ agentId }) => agentId)).toEqual(["a"]);
  const gone = turnFor(world, "hi", { key: "agent:b:x" });
  await expect(client.submitTurn(gone)).rejects.toMatchObject({ reason: "UNKNOWN_MODEL" });
});

/** Who holds the cluster's secret. */
function asCli(grpcPort: number) {
  return createRunnerClient({
    target: `127.0.0.1:${grpcPort}`,
    credential: serviceCredential("cli", SECRET),
    defaults: { tenant: "t1", principal: "p1" },
  });
}

test.concurrent("programs and variables of the runner are given by its configuration alone; through ingress what stands may stay", async () => {
  await using world = await worlds.start();
  const { client, grpcPort } = await world.replica();
  using cli = asCli(grpcPort);
  const program = { case: "stdio" as const, value: { command: "mcp-files", env: ["TOKEN"] } };
  const secret = { case: "http" as const, value: { url: "https://a/", headerEnv: { a: "TOKEN" } } };
  const open = { case: "http" as const, value: { url: "https://a/" } };
  const agents = (transport: typeof program | typeof secret | typeof open, systemPrompt = "") => ({
    agents: [{ agentId: "main", model, systemPrompt, mcpServers: [{ name: "s", transport }] }],
  });
  for (const transport of [program, secret]) {
    await expect(client.applyAgents(agents(transport))).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
    });
    await cli.applyAgents(agents(transport));
    await client.applyAgents(agents(transport, "be brief"));
  }
  await client.applyAgents(agents(open));
});

test.concurrent("a tenant's credential sends no variable of the runner to an address of its own", async () => {
  await using world = await worlds.start();
  const { client, grpcPort } = await world.replica();
  using cli = asCli(grpcPort);
  const endpoint = (baseUrl: string, name: string, apiKeyEnv: string) => ({
    agents: [
      {
        agentId: "main",
        model: {
          provider: { case: "openaiCompatible", value: { baseUrl, model: name, apiKeyEnv } },
        } as const,
      },
    ],
  });
  const configured = "https://models.example/v1";
  await cli.applyAgents(endpoint(configured, "small", "MODEL_KEY"));
  for (const [baseUrl, variable] of [
    ["https://elsewhere.example/v1", "MODEL_KEY"],
    [configured, "OTHER_KEY"],
  ] as const) {
    await expect(client.applyAgents(endpoint(baseUrl, "small", variable))).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
      metadata: { api_key_env: variable },
    });
  }
  await client.applyAgents(endpoint(configured, "large", "MODEL_KEY"));
  await client.applyAgents(endpoint("https://elsewhere.example/v1", "small", ""));
});

test.concurrent("what a tenant's credential adds is called at public addresses alone; what stands may stay as it is", async () => {
  await using world = await worlds.start();
  const { client, grpcPort } = await world.replica();
  using cli = asCli(grpcPort);
  const agents = (baseUrl: string, ...urls: string[]) => {
    const value = { baseUrl, model: "small" };
    const model = { provider: { case: "openaiCompatible", value } } as const;
    const mcpServers = urls.map((url, index) => ({
      name: `s${index}`,
      transport: { case: "http", value: { url } } as const,
    }));
    return { agents: [{ agentId: "main", model, mcpServers }] };
  };
  const bounds = async () => {
    const found = await client.listAgents({});
    return found.agents.flatMap(({ model: of, mcpServers }) =>
      [of?.provider.value, ...mcpServers.map(({ transport }) => transport.value)].map(
        (endpoint) => endpoint !== undefined && "publicOnly" in endpoint && endpoint.publicOnly,
      ),
    );
  };
  const inside = "http://10.0.0.5:8000/v1";
  for (const given of [agents(inside), agents("https://out.example", "http://[::1]:80/mcp")]) {
    await expect(client.applyAgents(given)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  }
  await cli.applyAgents(agents(inside, "http://tools.internal/mcp"));
  expect(await bounds()).toEqual([false, false]);
  const added = agents(inside, "http://tools.internal/mcp", "http://more.internal/mcp");
  await client.applyAgents(added);
  expect(await bounds()).toEqual([false, false, true]);
  // Nobody from outside takes the bound away that stands there.
  await client.applyAgents(added);
  expect(await bounds()).toEqual([false, false, true]);
  await cli.applyAgents(added);
  expect(await bounds()).toEqual([false, false, false]);
});

test.concurrent("turns and messages are listed page by page", async () => {
  await using world = await worlds.start();
  const { client } = await world.replica();
  await client.applyAgents({ agents: [{ agentId: "main", model }] });
  const submitted: string[] = [];
  for (const text of ["one", "two", "three"]) {
    const { turnId } = await client.submitTurn(turnFor(world, text), { requestId: `req-${text}` });
    submitted.push(turnId);
  }
  const first = await client.listTurns({ pageSize: 2 });
  const rest = await client.listTurns({ pageSize: 2, pageToken: first.nextPageToken });
  const turnIds = [...first.turns, ...rest.turns].map(({ turnId }) => turnId);
  expect(turnIds).toEqual(submitted.toReversed());
  expect(rest.nextPageToken).toBe("");
  const byRequest = await client.listTurns({ requestId: "req-two" });
  expect(byRequest.turns.map(({ turnId }) => turnId)).toEqual([submitted[1]]);
  await expect(client.listTurns({ pageToken: "nonsense" })).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
  });
  await expect(client.listTurns({ pageSize: 501 })).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
  });
});
