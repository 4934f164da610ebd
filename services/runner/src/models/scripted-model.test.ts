import { create } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { expect, test } from "vitest";

import type { ModelEvent, ModelRequest } from "./model.ts";
import { readDirectives } from "./scripted-directives.ts";
import { SCRIPTED_MODEL_NAME, ScriptedModel } from "./scripted-model.ts";

function said(role: Role, text: string): Message {
  return create(MessageSchema, { role, parts: [{ content: { case: "text", value: text } }] });
}

async function ask(messages: Message[], signal = new AbortController().signal) {
  const request: ModelRequest = { messages, tools: [], parameters: {}, signal };
  const events: ModelEvent[] = [];
  for await (const event of new ScriptedModel().stream(request)) events.push(event);
  const text = events.map((event) => (event.type === "text" ? event.text : "")).join("");
  return { events, text };
}

test("tells how many messages it was shown, and which", async () => {
  const { text, events } = await ask([
    said(Role.USER, "my cat is called Ada"),
    said(Role.ASSISTANT, "nice"),
    said(Role.USER, "who is Ada?"),
  ]);
  expect(text).toContain("I was shown 3 messages");
  expect(text).toContain("1. user: my cat is called Ada");
  expect(text).toContain("3. user: who is Ada?");
  expect(events.at(-1)).toMatchObject({ finishReason: "stop", model: SCRIPTED_MODEL_NAME });
});

test("calls the tools that it is told to, one a step, then answers", async () => {
  const first = said(Role.USER, 'please\n!tool sessions_send {"session_key":"x"}');
  const { events } = await ask([first]);
  expect(events).toMatchObject([
    { type: "tool_call", call: { name: "sessions_send", argumentsJson: '{"session_key":"x"}' } },
    { type: "end", finishReason: "tool_calls" },
  ]);
  const { text } = await ask([first, said(Role.ASSISTANT, ""), said(Role.TOOL, "done")]);
  expect(text).toContain("3. tool: done");
});

test("a sleep ends with the turn's signal", async () => {
  const controller = new AbortController();
  const asked = ask([said(Role.USER, "!sleep 500s")], controller.signal);
  controller.abort();
  await expect(asked).rejects.toThrow();
});

test.each([
  ["!sleep 3s", 3000],
  ["!sleep 250ms", 250],
  ["a\n  !sleep 1s\n!sleep 1s", 2000],
  ["!sleep 999999s", 600_000],
  ["do not !sleep 3s", 0],
  ["!sleep -3s", 0],
])("reads %j as %i ms", (text, expected) => {
  expect(readDirectives(text).sleepMs).toBe(expected);
});
