import { create } from "@bufbuild/protobuf";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { expect, test } from "vitest";
import { modelFor, modelNameOf } from "./registry.ts";

test.each([
  [
    "an endpoint",
    { case: "openaiCompatible", value: { baseUrl: "http://127.0.0.1:1/v1", model: "large" } },
    "large",
  ],
  ["the scripted model", { case: "scripted", value: {} }, "lanekeeper-scripted"],
] as const)("the name of %s is known without making it", (_, provider, name) => {
  const agent = create(AgentConfigSchema, { agentId: "main", model: { provider } });
  expect(modelNameOf(agent)).toBe(name);
  expect(modelFor(agent, {}).name).toBe(name);
});
