import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { expect, onTestFinished, test } from "vitest";
import { modelFor } from "./registry.ts";

test("an endpoint for public addresses alone is not called where its name leads inside, and says so", async () => {
  let asked = 0;
  const server = createServer((_req, res) => {
    asked += 1;
    res.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const value = { baseUrl: `http://localhost:${port}/v1`, model: "m", publicOnly: true };
  const model = { provider: { case: "openaiCompatible", value } } as const;
  const stream = modelFor(create(AgentConfigSchema, { agentId: "main", model }), {}).stream({
    messages: [],
    tools: [],
    parameters: {},
    signal: new AbortController().signal,
  });
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    reason: "MODEL_FAILED",
    message: expect.stringContaining("localhost leads to an address that is not public"),
  });
  expect(asked).toBe(0);
});
