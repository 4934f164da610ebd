import { expect, test } from "vitest";
import { readSingleHeaders } from "../http/single-headers.ts";
import { selectAgent } from "./agent.ts";

test("of two agents that disagree both are told, in words and to programs", () => {
  const headers = readSingleHeaders(["X-Agent-Id", "helper"]);
  expect(() => selectAgent(headers, "agent:main")).toThrow(
    expect.objectContaining({
      reason: "AGENT_MISMATCH",
      message: "x-agent-id names the agent helper, model names main",
      metadata: { field: "x-agent-id", agent_id: "main", other_agent_id: "helper" },
    }),
  );
});
