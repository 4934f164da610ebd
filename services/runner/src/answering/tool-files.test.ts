import { create } from "@bufbuild/protobuf";
import type { EmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { FilePartSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { eventually } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import { lastSaid } from "../testing/subagents.ts";
import { startServer, World } from "../testing/world.ts";
import type { Tool, ToolOutcome } from "../tools/tool.ts";

let server: EmbeddedPostgres;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

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
  await using world = await World.start(server);
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
  await using world = await World.start(server);
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
  await using world = await World.start(server);
  world.tools.push(tool("draw", async () => ({ text: "no ink", isError: true, files: [chart] })));
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = calls("draw");
  const ended = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(ended.reply?.parts.length).toBe(1);
});
