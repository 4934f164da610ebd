import { create } from "@bufbuild/protobuf";
import { FilePartSchema, type Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { lastSaid } from "../testing/subagents.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Tool, ToolOutcome } from "../tools/tool.ts";

const worlds = testWorlds();

function tool(name: string, run: () => Promise<ToolOutcome>): Tool {
  return { spec: { name, description: name, parameters: {} }, run };
}

const chart = create(FilePartSchema, {
  source: { case: "data", value: new Uint8Array([1, 2, 3]) },
  mediaType: "image/png",
  fileName: "chart.png",
});
const draw = tool("draw", async () => ({ text: "drawn", isError: false, files: [chart] }));

/** Calls these tools one after the other, then answers with what the last one told. */
function calls(...names: string[]): Behaviour {
  return async function* (request) {
    const done = request.messages.filter(({ parts }) => parts[0]?.content.case === "toolResult");
    const name = names[done.length];
    if (name === undefined) {
      yield { type: "text", text: `told ${lastSaid(request)}` };
      yield end();
    } else {
      yield toolCall(`c${done.length}`, name);
      yield end("tool_calls");
    }
  };
}

/** The files of the one answer that delivery was given. */
async function delivered(world: World) {
  await eventually(() => world.delivery.taken.length === 1);
  const [, ...files] = world.delivery.taken[0]?.parts ?? [];
  return files.map(({ content, mediaType, fileName }) => {
    return [content.case, fileName, mediaType, [...Buffer.from(content.value ?? "")]];
  });
}

const CHART = [["fileData", "chart.png", "image/png", [1, 2, 3]]];

test.concurrent("a file that a tool made goes with the answer to whoever asked; the model is told of it", async () => {
  await using world = await worlds.start();
  world.tools.push(draw);
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = calls("draw");
  const ended = await new Attached(replica, { submit: turnFor(world, "go", { routeId: "room" }) })
    .ended;
  const told = "drawn\n[chart.png, image/png, 3 bytes: goes with your answer]";
  expect(ended.reply?.parts.map(({ content }) => content)).toMatchObject([
    { case: "text", value: `told result ${told}` },
    { case: "file", value: { fileName: "chart.png" } },
  ]);
  expect(await delivered(world)).toEqual(CHART);
  // The transcript, which later contexts are made of, has the word about it alone.
  const session = { case: "sessionKey" as const, value: KEY };
  const { messages } = await replica.client.listMessages({ session });
  const kinds = messages.flatMap(({ message }) => message?.parts.map((part) => part.content.case));
  expect(kinds).toEqual(["text", "toolCall", "toolResult", "text"]);
});

test.concurrent("a run that takes over has the files of the steps that were finished", async () => {
  await using world = await worlds.start();
  let begun = 0;
  world.tools.push(
    draw,
    tool("hang", () => {
      begun += 1;
      return new Promise(() => undefined);
    }),
  );
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  world.model.behaviour = calls("draw", "hang");
  const { turnId } = await a.client.submitTurn(turnFor(world, "go", { routeId: "room" }));
  await eventually(() => begun === 1);
  a.kill();
  await world.expireLeases();
  await new Attached(b, { turnId }).ended;
  expect(await delivered(world)).toEqual(CHART);
});

test.concurrent("what a failed call made goes nowhere", async () => {
  await using world = await worlds.start();
  world.tools.push(tool("draw", async () => ({ text: "no ink", isError: true, files: [chart] })));
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = calls("draw");
  const ended = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(ended.reply?.parts.length).toBe(1);
});

const large = create(FilePartSchema, {
  source: { case: "data", value: new Uint8Array(LIMITS.fileBytes + 1) },
  fileName: "large.png",
});
const drawLarge = tool("drawLarge", async () => ({
  text: "drawn",
  isError: false,
  files: [chart, large],
}));
const LEFT_OUT =
  "(A file could not be sent with this answer: an answer takes 32 files of 1 MiB, 2 MiB together.)";
const answer: Behaviour = (request) =>
  lastSaid(request).startsWith("result") ? sayDone() : calls("drawLarge")(request);

async function* sayDone(): ReturnType<Behaviour> {
  yield { type: "text", text: "Done." };
  yield end();
}

test.concurrent("who asked is told, in the answer, of a file that does not fit into it; the transcript has the agent's words", async () => {
  await using world = await worlds.start();
  world.tools.push(drawLarge);
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = answer;
  const attached = new Attached(replica, { submit: turnFor(world, "go", { routeId: "room" }) });
  const { reply } = await attached.ended;
  expect(reply && textOf(reply)).toBe(`Done.\n\n${LEFT_OUT}`);
  expect(attached.text).toBe(reply && textOf(reply));
  expect(await delivered(world)).toEqual(CHART);
  expect(world.delivery.taken[0]?.text).toContain(LEFT_OUT);
  const session = { case: "sessionKey" as const, value: KEY };
  const { messages } = await replica.client.listMessages({ session });
  expect(messages.at(-1)?.message && textOf(messages.at(-1)?.message as Message)).toBe("Done.");
});

test.concurrent("a run that takes over tells of what did not fit in the run before it", async () => {
  await using world = await worlds.start();
  const held = gate();
  world.tools.push(drawLarge);
  const [a, b] = [await world.replica(), await world.replica()];
  await applyMain(a);
  let asked = 0;
  world.model.behaviour = async function* (request) {
    if (lastSaid(request).startsWith("result") && ++asked === 1) await held.opened;
    yield* answer(request);
  };
  const { turnId } = await a.client.submitTurn(turnFor(world, "go"));
  await eventually(() => asked === 1);
  a.kill();
  await world.expireLeases();
  const { reply } = await new Attached(b, { turnId }).ended;
  expect(reply && textOf(reply)).toBe(`Done.\n\n${LEFT_OUT}`);
  held.open();
});

test.concurrent("an answer that goes on after it told of such a file says it once, where callers have read it", async () => {
  await using world = await worlds.start();
  world.tools.push(drawLarge);
  const replica = await world.replica();
  await applyMain(replica);
  const [begun, held] = [gate(), gate()];
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) === "more") {
      yield { type: "text", text: " And more." };
      yield end();
      return;
    }
    if (lastSaid(request).startsWith("result")) {
      begun.open();
      await held.opened;
    }
    yield* answer(request);
  };
  const attached = new Attached(replica, { submit: turnFor(world, "go") });
  await begun.opened;
  const onConflict = OnConflict.STEER;
  const steered = new Attached(replica, { submit: turnFor(world, "more", { onConflict }) });
  await eventually(() => steered.kinds.includes("accepted"));
  held.open();
  const { reply } = await attached.ended;
  expect(reply && textOf(reply)).toBe(`Done.\n\n${LEFT_OUT} And more.`);
  expect(attached.text).toBe(reply && textOf(reply));
});

test.concurrent.each(["sessions_send", "sessions_spawn"])(
  "files of an answer that another session gave to who waited for it (%s) go with the answer of who asked",
  async (name) => {
    await using world = await worlds.start();
    world.tools.push(draw);
    const replica = await world.replica();
    await applyMain(replica, { tools: ["sessions_send", "sessions_spawn"] });
    const args = {
      sessions_send: { session_key: "agent:main:artist", message: "draw" },
      sessions_spawn: { task: "draw", wait: true },
    }[name];
    world.model.behaviour = async function* (request) {
      const said = lastSaid(request);
      if (said === "go") yield toolCall("c1", name, JSON.stringify(args));
      else if (said === "draw") yield toolCall("c1", "draw");
      else if (!said.startsWith("result drawn")) yield { type: "text", text: said };
      yield end();
    };
    const submit = turnFor(world, "go", { routeId: "room" });
    const { reply } = await new Attached(replica, { submit }).ended;
    expect(reply && textOf(reply)).toContain(
      "[chart.png, image/png, 3 bytes: goes with your answer]",
    );
    expect(reply?.parts.map(({ content }) => content.case)).toEqual(["text", "file"]);
  },
);
