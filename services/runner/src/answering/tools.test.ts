import { create } from "@bufbuild/protobuf";
import { MessageSchema, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import type { ModelRequest } from "../models/model.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Tool, ToolContext } from "../tools/tool.ts";
import { PERHAPS_DONE } from "./tool-steps.ts";

const worlds = testWorlds();

function tool(name: string, run: (context: ToolContext) => Promise<string>): Tool {
  const spec = { name, description: name, parameters: {} };
  return {
    spec,
    run: async (_arguments, context) => ({ text: await run(context), isError: false }),
  };
}

const lastOf = ({ messages }: ModelRequest): string => {
  const last = messages.at(-1)?.parts[0]?.content;
  return last?.case === "toolResult" ? last.value.text : last?.case === "text" ? last.value : "";
};

/** Calls these tools one after the other, then answers with the last result. */
function callsInTurn(...names: string[]): Behaviour {
  return async function* (request) {
    const results = request.messages.filter(
      ({ parts }) => parts[0]?.content.case === "toolResult",
    ).length;
    const name = names[results];
    if (name === undefined) {
      yield { type: "text", text: `got ${lastOf(request)}` };
      yield end();
      return;
    }
    yield { type: "text", text: `${name}?` };
    yield toolCall(`c${results}`, name);
    yield end("tool_calls");
  };
}

test.concurrent("an agent's own tools are run, told as activity, and stand in the transcript", async () => {
  await using world = await worlds.start();
  const steps: number[] = [];
  world.tools.push(
    tool("look", async ({ step, callChain, session }) => {
      steps.push(step);
      expect(callChain).toEqual([KEY]);
      expect(session?.sessionKey).toBe(KEY);
      return "found";
    }),
  );
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = callsInTurn("look", "look");
  const attached = new Attached(replica, { submit: turnFor(world, "go") });
  const ended = await attached.ended;
  expect(ended.finishReason).toBe("stop");
  expect(ended.reply && textOf(ended.reply)).toBe("look?\n\nlook?\n\ngot found");
  expect(attached.text).toBe("look?\n\nlook?\n\ngot found");
  expect(ended.usage).toMatchObject({ inputTokens: 9n, outputTokens: 6n });
  expect(steps).toEqual([1, 2]);
  expect(attached.kinds.filter((kind) => kind === "toolActivity").length).toBe(4);
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: KEY },
  });
  expect(messages.map(({ message }) => message?.role)).toEqual([2, 3, 4, 3, 4, 3]);
});

test.concurrent("a client's tool ends the turn with its call, and its result goes on", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* (request) {
    if (request.messages.at(-1)?.parts[0]?.content.case !== "toolResult") {
      yield toolCall("c1", "weather", '{"city":"Bonn"}');
      yield end("tool_calls");
      return;
    }
    yield { type: "text", text: `it is ${lastOf(request)}` };
    yield end();
  };
  const parameters = { tools: [{ type: "function", function: { name: "weather" } }] };
  const first = new Attached(replica, { submit: turnFor(world, "weather?", { parameters }) });
  const ended = await first.ended;
  expect(ended.finishReason).toBe("tool_calls");
  expect(ended.reply?.parts[0]?.content).toMatchObject({
    case: "toolCall",
    value: { callId: "c1", name: "weather", argumentsJson: '{"city":"Bonn"}' },
  });
  const result = { case: "toolResult" as const, value: { callId: "c1", text: "sunny" } };
  const messages = [create(MessageSchema, { role: Role.TOOL, parts: [{ content: result }] })];
  const second = new Attached(replica, { submit: turnFor(world, "result", { messages }) });
  const answer = await second.ended;
  expect(answer.reply && textOf(answer.reply)).toBe("it is sunny");
  expect(world.model.shown(1)).toEqual([
    "user: weather?",
    "assistant: call weather",
    "tool: result sunny",
  ]);
});

test.concurrent("a tool that nobody offered is told to the model as missing, and never to the client", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* (request) {
    if (world.model.asked.length === 1) {
      yield toolCall("c1", "nope");
      yield end("tool_calls");
      return;
    }
    yield { type: "text", text: `told: ${lastOf(request)}` };
    yield end();
  };
  const attached = new Attached(replica, { submit: turnFor(world, "go") });
  const ended = await attached.ended;
  expect(ended.finishReason).toBe("stop");
  expect(ended.reply && textOf(ended.reply)).toBe("told: There is no tool named nope.");
  expect(attached.kinds).not.toContain("toolCall");
});

test.concurrent("what finished is not done again by the turn's next run, and what was begun is told as perhaps done", async () => {
  await using world = await worlds.start();
  const done: string[] = [];
  world.tools.push(
    tool("first", async () => {
      done.push("first");
      return "first done";
    }),
    tool("second", async () => {
      done.push("second");
      return new Promise<string>(() => undefined);
    }),
  );
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  world.model.behaviour = callsInTurn("first", "second");
  const { turnId } = await a.client.submitTurn(turnFor(world, "go"));
  await eventually(() => done.length === 2);
  const reader = new Attached(b, { turnId });
  a.kill();
  await world.expireLeases();
  const ended = await reader.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(done).toEqual(["first", "second"]);
  expect(ended.reply && textOf(ended.reply)).toBe(`first?\n\nsecond?\n\ngot ${PERHAPS_DONE}`);
  expect(world.model.shown(2)).toEqual([
    "user: go",
    "assistant: first?",
    "tool: result first done",
    "assistant: second?",
    `tool: result ${PERHAPS_DONE}`,
  ]);
  const begun = reader.kinds.lastIndexOf("runBegun");
  const text = reader.events
    .slice(begun)
    .map(({ event }) => (event.case === "textDelta" ? event.value : ""));
  expect(text.join("")).toBe(ended.reply && textOf(ended.reply));
});

test.concurrent("an agent that calls tools in circles fails", async () => {
  await using world = await worlds.start();
  world.tools.push(tool("again", async () => "more"));
  const replica = await world.replica();
  await applyMain(replica);
  let calls = 0;
  world.model.behaviour = async function* () {
    calls += 1;
    yield toolCall(`c${calls}`, "again");
    yield end("tool_calls");
  };
  const ended = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(ended).toMatchObject({ state: TurnState.FAILED, errorReason: "MODEL_FAILED" });
  expect(calls).toBe(16);
});

/** The agent of one session asks another session by the tool sessions_send. */
function asks(target: string, wait: boolean): Behaviour {
  return async function* (request) {
    const said = lastOf(request);
    if (request.messages.at(-1)?.role === 4) {
      yield { type: "text", text: `told: ${said}` };
    } else if (said.startsWith("ask")) {
      yield toolCall(
        "c1",
        "sessions_send",
        JSON.stringify({ session_key: target, message: "ping", wait }),
      );
    } else {
      yield { type: "text", text: `pong to ${said}` };
    }
    yield end();
  };
}

test.concurrent("a nested send waits for the other session's reply, and a repeat is the same send", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  const other = "agent:main:other";
  world.model.behaviour = asks(other, true);
  const attached = new Attached(replica, { submit: turnFor(world, "ask") });
  const ended = await attached.ended;
  expect(ended.reply && textOf(ended.reply)).toContain("pong to ping");
  const { turns } = await replica.client.listTurns({ parentTurnId: attached.turnId });
  expect(turns.length).toBe(1);
  expect(turns[0]).toMatchObject({
    sessionKey: other,
    idempotencyKey: `${attached.turnId}/1`,
    callChain: [KEY],
    turnClass: 2,
  });
});

test.concurrent("a send that is not waited for returns at once", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  world.model.behaviour = asks("agent:main:other", false);
  const ended = await new Attached(replica, { submit: turnFor(world, "ask") }).ended;
  expect(ended.reply && textOf(ended.reply)).toContain("turn_id");
});

test.concurrent("waiting for one's own session would deadlock, and is refused", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  world.model.behaviour = asks(KEY, true);
  const ended = await new Attached(replica, { submit: turnFor(world, "ask") }).ended;
  expect(ended.reply && textOf(ended.reply)).toContain("WOULD_DEADLOCK");
});

test.concurrent("two sessions that ask each other at once: nobody hangs", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  const [left, right] = ["agent:main:left", "agent:main:right"];
  const both = gate();
  let asked = 0;
  world.model.behaviour = async function* (request) {
    const said = lastOf(request);
    if (request.messages.at(-1)?.role === 4) {
      yield { type: "text", text: `told: ${said}` };
    } else if (said.startsWith("ask")) {
      asked += 1;
      if (asked === 2) both.open();
      await both.opened;
      const target = said.endsWith("right") ? right : left;
      yield toolCall(
        "c1",
        "sessions_send",
        JSON.stringify({ session_key: target, message: "ping" }),
      );
    } else {
      yield { type: "text", text: "pong" };
    }
    yield end();
  };
  const one = new Attached(replica, { submit: turnFor(world, "ask right", { key: left }) });
  const two = new Attached(replica, { submit: turnFor(world, "ask left", { key: right }) });
  const ended = await Promise.all([one.ended, two.ended]);
  const texts = ended.map(({ reply }) => (reply === undefined ? "" : textOf(reply)));
  expect(texts.some((text) => text.includes("WOULD_DEADLOCK"))).toBe(true);
  const { rows } = await world.db.query("SELECT FROM wait_edges");
  expect(rows.length).toBe(0);
});

test.concurrent("a chain of sends ends with its hop budget", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { tools: ["sessions_send"] });
  world.model.behaviour = async function* (request) {
    const said = lastOf(request);
    if (request.messages.at(-1)?.role === 4) {
      yield { type: "text", text: said };
    } else {
      const hop = Number(said.split(" ")[1] ?? "0") + 1;
      const call = { session_key: `agent:main:hop${hop}`, message: `hop ${hop}` };
      yield toolCall(`c${hop}`, "sessions_send", JSON.stringify(call));
    }
    yield end();
  };
  const ended = await new Attached(replica, { submit: turnFor(world, "hop 0") }).ended;
  expect(ended.reply && textOf(ended.reply)).toContain("HOP_LIMIT");
  const { rows } = await world.db.query("SELECT FROM turns WHERE tenant = $1", [TENANT]);
  expect(rows.length).toBe(8);
});
