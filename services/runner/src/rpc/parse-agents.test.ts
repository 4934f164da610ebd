import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { parseAgents } from "./parse-agents.ts";

type Init = MessageInitShape<typeof AgentConfigSchema>;

const SCRIPTED = { provider: { case: "scripted" as const, value: {} } };

function agent(overrides: Init = {}) {
  return create(AgentConfigSchema, { agentId: "main", model: SCRIPTED, ...overrides } as Init);
}

function endpoint(overrides: object): Init {
  const value = {
    baseUrl: "https://api.example.org/v1",
    model: "m",
    apiKeyEnv: "KEY",
    ...overrides,
  };
  return { model: { provider: { case: "openaiCompatible", value } } };
}

function fieldRefused(...agents: Parameters<typeof parseAgents>[0]): string {
  try {
    parseAgents(agents);
  } catch (error) {
    if (error instanceof LanekeeperError) return error.metadata["field"] ?? error.reason;
  }
  return "accepted";
}

test("a set of agents within its bounds is taken", () => {
  const agents = [
    agent({ tools: ["session_status"] }),
    agent({ agentId: "other", ...endpoint({}) }),
  ];
  expect(parseAgents(agents)).toBe(agents);
});

test.each<[string, Init, string]>([
  ["no id", { agentId: "" }, "agents[0].agent_id"],
  ["an id in capitals", { agentId: "Main" }, "agents[0].agent_id"],
  ["a long prompt", { systemPrompt: "x".repeat(64 * 1024 + 1) }, "PAYLOAD_TOO_LARGE"],
  ["no model", { model: {} }, "agents[0].model"],
  ["an address that is none", endpoint({ baseUrl: "api.example.org" }), "agents[0].model.base_url"],
  ["an address of another kind", endpoint({ baseUrl: "file:///x" }), "agents[0].model.base_url"],
  ["an endpoint without a model", endpoint({ model: "" }), "agents[0].model.model"],
  [
    "a key in place of its variable",
    endpoint({ apiKeyEnv: "sk-123" }),
    "agents[0].model.api_key_env",
  ],
  ["an unknown tool", { tools: ["rm_rf"] }, "agents[0].tools[0]"],
  ["a tool twice", { tools: ["memory_save", "memory_save"] }, "agents[0].tools[1]"],
  ["an unknown conflict rule", { onConflict: 42 as never }, "agents[0].on_conflict"],
  ["a budget below nothing", { contextTokenBudget: -1 }, "agents[0].context_token_budget"],
  ["a lane without end", { maxWaitingTurns: 10_001 }, "agents[0].max_waiting_turns"],
  [
    "no silence at all",
    { modelSilenceTimeout: durationFromMs(0) },
    "agents[0].model_silence_timeout",
  ],
])("%s is refused", (_what, overrides, field) => {
  expect(fieldRefused(agent(overrides))).toBe(field);
});

test("an agent stands in a set once", () => {
  expect(fieldRefused(agent(), agent())).toBe("agents[1].agent_id");
});
