import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";

import { sessionsSend } from "./sessions-send.ts";
import type { ToolContext } from "./tool.ts";
import type { SessionMessage } from "./tool-deps.ts";

const spawn = () => Promise.reject(new Error("no subagents here"));
const memory = { save: async () => true, search: async () => [] };

const context: ToolContext = {
  tenant: "default",
  principal: "p",
  agentId: "main",
  session: { sessionKey: "agent:main:a", sessionId: "s", generation: 1n },
  turnId: "t",
  runId: "r",
  step: 1,
  callChain: ["agent:main:a"],
  rootTurnId: "t",
  nestedTurnsPerRequest: 256,
  traceparent: "",
  contextUse: { usedTokens: 0, budgetTokens: 100 },
  signal: new AbortController().signal,
};

function toolThat(reply: string | undefined) {
  const sent: SessionMessage[] = [];
  const tool = sessionsSend({
    memory,
    spawn,
    sendToSession: async (message) => {
      sent.push(message);
      return { sessionKey: "agent:main:b", sessionId: "sb", turnId: "tb", reply };
    },
  });
  return { sent, tool };
}

test("sends and tells the reply, the key and the session id", async () => {
  const { sent, tool } = toolThat("hello back");
  const outcome = await tool.run('{"session_key":"b","message":"hello"}', context);
  expect(JSON.parse(outcome.text)).toEqual({
    session_key: "agent:main:b",
    session_id: "sb",
    turn_id: "tb",
    reply: "hello back",
  });
  expect(sent).toEqual([
    { from: context, key: "b", agentId: undefined, text: "hello", wait: true, onConflict: 1 },
  ]);
});

test("without waiting there is a receipt and no reply", async () => {
  const { sent, tool } = toolThat(undefined);
  const outcome = await tool.run('{"session_key":"b","message":"hello","wait":false}', context);
  expect(JSON.parse(outcome.text)).not.toHaveProperty("reply");
  expect(sent[0]?.wait).toBe(false);
});

test.each([
  ["not json", "{", "the arguments are not JSON"],
  ["a missing field", '{"message":"x"}', "session_key"],
  ["an unknown field", '{"session_key":"b","message":"x","wiat":false}', "wiat"],
])("tells the model about %s and sends nothing", async (_what, argumentsJson, expected) => {
  const { sent, tool } = toolThat("x");
  const outcome = await tool.run(argumentsJson, context);
  expect(outcome.isError).toBe(true);
  expect(outcome.text).toContain(expected);
  expect(sent).toEqual([]);
});

test("a refusal becomes the tool's answer, with its reason", async () => {
  const tool = sessionsSend({
    memory,
    spawn,
    sendToSession: () =>
      Promise.reject(new LanekeeperError("WOULD_DEADLOCK", "the session waits for this one")),
  });
  const outcome = await tool.run('{"session_key":"b","message":"x"}', context);
  expect(outcome).toEqual({
    text: "WOULD_DEADLOCK: the session waits for this one",
    isError: true,
  });
});
