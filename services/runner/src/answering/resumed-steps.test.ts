import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import type { ModelRequest } from "../models/model.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, heldAnswer, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica, World } from "../testing/world.ts";
import type { Tool } from "../tools/tool.ts";

const worlds = testWorlds();

function tool(name: string, run: () => Promise<string>): Tool {
  const spec = { name, description: name, parameters: {} };
  return { spec, run: async () => ({ text: await run(), isError: false }) };
}

/** Calls these tools one after the other, then says that it is done. */
function callsInTurn(...names: string[]): Behaviour {
  return async function* ({ messages }: ModelRequest) {
    const results = messages.filter(({ parts }) => parts[0]?.content.case === "toolResult").length;
    const name = names[results];
    if (name === undefined) yield { type: "text", text: "done" };
    else yield toolCall(`c${results}`, name);
    yield end(name === undefined ? "stop" : "tool_calls");
  };
}

test.concurrent("the result of a tool that the next run has no more is told to it, and its steps are numbered on from there", async () => {
  await using world = await worlds.start();
  const calls: string[] = [];
  const never = new Promise<string>(() => undefined);
  const passing = tool("passing", async () => `passed ${calls.push("passing")}`);
  const hangs = tool("hangs", () => (calls.push("hangs"), never));
  world.tools.push(passing, hangs);
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  world.model.behaviour = callsInTurn("passing", "invented", "hangs", "late");
  const { turnId } = await a.client.submitTurn(turnFor(world, "go"));
  await eventually(() => calls.length === 2);
  a.kill();
  // Its server cannot be reached when the next run begins.
  world.tools.splice(
    0,
    1,
    tool("late", async () => "late done"),
  );
  await world.expireLeases();
  const ended = await new Attached(b, { turnId }).ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, errorReason: "" });
  expect(calls).toEqual(["passing", "hangs"]);
  const results = world.model
    .shown(world.model.asked.length - 1)
    .filter((s) => s.startsWith("tool"));
  expect(results).toEqual([
    "tool: result passed 1",
    "tool: result There is no tool named invented.",
    expect.stringContaining("perhaps it was done"),
    "tool: result late done",
  ]);
});

test.concurrent("nor is a step taken for another's where the last was none of the agent's tools", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  const answers = callsInTurn("invented", "late");
  let isAsked = false;
  world.model.behaviour = async function* (request) {
    if (world.model.asked.length !== 2) return yield* answers(request);
    isAsked = true;
    await new Promise<void>(() => undefined);
  };
  const { turnId } = await a.client.submitTurn(turnFor(world, "go"));
  await eventually(() => isAsked);
  a.kill();
  world.tools.push(tool("late", async () => "late done"));
  await world.expireLeases();
  const ended = await new Attached(b, { turnId }).ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, errorReason: "" });
  expect(world.model.shown(3)).toEqual([
    "user: go",
    "assistant: call invented",
    "tool: result There is no tool named invented.",
    "assistant: call late",
    "tool: result late done",
  ]);
});

test.concurrent("a client's call that stood beside those of the agent's own tools is handed to it by the next run", async () => {
  await using world = await worlds.start();
  let isCalled = false;
  const hangs = tool("hangs", () => {
    isCalled = true;
    return new Promise<string>(() => undefined);
  });
  world.tools.push(hangs);
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  world.model.behaviour = async function* () {
    yield toolCall("c1", "hangs");
    yield toolCall("c2", "weather");
    yield end("tool_calls");
  };
  const parameters = { tools: [{ type: "function", function: { name: "weather" } }] };
  const { turnId } = await a.client.submitTurn(turnFor(world, "go", { parameters }));
  await eventually(() => isCalled);
  a.kill();
  await world.expireLeases();
  const reader = new Attached(b, { turnId });
  const ended = await reader.ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, finishReason: "tool_calls" });
  expect(ended.reply?.parts.map(({ content }) => content.value)).toMatchObject([
    { callId: "c2", name: "weather" },
  ]);
  expect(reader.kinds).toContain("toolCall");
  expect(world.model.asked).toHaveLength(1);
});

/** Handed over while the model is asked for its first answer. */
async function steeredWhile(world: World, a: Replica) {
  const parameters = { tools: [{ type: "function", function: { name: "weather" } }] };
  const held = gate();
  const answers = world.model.behaviour;
  world.model.behaviour = (request) => {
    world.model.behaviour = answers;
    return heldAnswer(held.opened)(request);
  };
  const host = new Attached(a, { submit: turnFor(world, "one", { parameters }) });
  await eventually(() => host.kinds.includes("textDelta"));
  const steer = { onConflict: OnConflict.STEER };
  const guest = await a.client.submitTurn(turnFor(world, "and two", steer));
  held.open();
  return { hostId: host.turnId, guestId: guest.turnId };
}

test.concurrent("a message that was handed to the turn stands before what was done about it", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  world.tools.push(tool("act", async () => "acted"));
  let isActed = false;
  world.model.behaviour = async function* ({ messages }: ModelRequest) {
    const isDone = messages.some(({ parts }) => parts[0]?.content.case === "toolResult");
    if (isDone && !isActed) {
      isActed = true;
      await new Promise<void>(() => undefined);
    }
    yield isDone ? { type: "text", text: "done" } : toolCall("c1", "act");
    yield end(isDone ? "stop" : "tool_calls");
  };
  const { hostId } = await steeredWhile(world, a);
  await eventually(() => isActed);
  a.kill();
  await world.expireLeases();
  const ended = await new Attached(b, { turnId: hostId }).ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(world.model.shown(world.model.asked.length - 1)).toEqual([
    "user: one",
    "user: and two",
    "assistant: call act",
    "tool: result acted",
  ]);
});

test.concurrent("nor is it lost where the next run hands a call to the client without asking the model", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  let isCalled = false;
  const hangs = tool("hangs", () => {
    isCalled = true;
    return new Promise<string>(() => undefined);
  });
  world.tools.push(hangs);
  world.model.behaviour = async function* () {
    yield toolCall("c1", "hangs");
    yield toolCall("c2", "weather");
    yield end("tool_calls");
  };
  const { hostId, guestId } = await steeredWhile(world, a);
  await eventually(() => isCalled);
  a.kill();
  await world.expireLeases();
  const ended = await new Attached(b, { turnId: hostId }).ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, finishReason: "tool_calls" });
  await new Attached(b, { turnId: guestId }).ended;
  const session = { case: "sessionKey" as const, value: KEY };
  const { messages } = await b.client.listMessages({ session });
  const said = messages.flatMap(({ message }) => (message ? [textOf(message)] : []));
  expect(said.slice(0, 2)).toEqual(["one", "and two"]);
});

test.concurrent("a run that finds with its tool's answer that it was taken over leaves the turn alone, and that is no defect", async () => {
  await using world = await worlds.start();
  const held = gate();
  let calls = 0;
  const slow = tool("slow", async () => {
    calls += 1;
    if (calls === 1) await held.opened;
    return "looked";
  });
  world.tools.push({ ...slow, isRepeatable: true });
  const a = await world.replica();
  await applyMain(a);
  world.model.behaviour = callsInTurn("slow");
  const { turnId } = await a.client.submitTurn(turnFor(world, "go"));
  await eventually(() => calls === 1);
  const b = await world.replica();
  await world.expireLeases();
  expect(await new Attached(b, { turnId }).ended).toMatchObject({ state: TurnState.COMPLETED });
  held.open();
  await eventually(() => a.context.runs.size === 0);
  expect(a.log.lines.filter(({ level }) => level === "error")).toEqual([]);
});
