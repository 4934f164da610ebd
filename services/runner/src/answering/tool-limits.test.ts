import { create } from "@bufbuild/protobuf";
import { FilePartSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test("past the calls that a turn may make, each is refused without being made, and the model told so", async () => {
  await using world = await worlds.start();
  let made = 0;
  const run = async () => {
    made += 1;
    return { text: `found ${made}`, isError: false };
  };
  world.tools.push({ spec: { name: "look", description: "Looks.", parameters: {} }, run });
  const replica = await world.replica();
  await applyMain(replica, { toolLimits: { stepsPerTurn: 2 } });
  world.model.behaviour = async function* ({ messages }) {
    const results = messages.flatMap(({ parts }) =>
      parts.flatMap(({ content }) => (content.case === "toolResult" ? [content.value.text] : [])),
    );
    if (results.length < 3) {
      yield toolCall(`c${results.length}`, "look");
      yield end("tool_calls");
      return;
    }
    yield { type: "text", text: results.join("; ") };
    yield end();
  };
  const { reply } = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(made).toBe(2);
  expect(reply && textOf(reply)).toBe(
    "found 1; found 2; QUOTA: the turn has used its 2 calls of tools. Answer without.",
  );
});

const MIB = 1024 * 1024;

test.each([
  ["fits", 0, "x", TurnState.COMPLETED, ""],
  ["is more than it may be", 0, "x".repeat(MIB + 1), TurnState.FAILED, "MODEL_FAILED"],
  ["is more with its files", MIB, "x", TurnState.FAILED, "MODEL_FAILED"],
  ["is more by its files", MIB + 1, "", TurnState.FAILED, "MODEL_FAILED"],
])(
  "what a turn says before and after its tools is one answer: it %s",
  async (_what, fileBytes, then, state, errorReason) => {
    await using world = await worlds.start();
    const halves = [Math.floor(fileBytes / 2), Math.ceil(fileBytes / 2)];
    const files = halves.map((bytes) =>
      create(FilePartSchema, { source: { case: "data", value: new Uint8Array(bytes) } }),
    );
    const run = async () => ({ text: "found", isError: false, files });
    world.tools.push({ spec: { name: "look", description: "Looks.", parameters: {} }, run });
    const replica = await world.replica();
    await applyMain(replica);
    world.model.behaviour = async function* ({ messages }) {
      const looked = messages.at(-1)?.parts[0]?.content.case === "toolResult";
      yield { type: "text", text: looked ? then : "x".repeat(3 * MIB) };
      if (!looked) yield toolCall("c1", "look");
      yield end();
    };
    const ended = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
    expect(ended).toMatchObject({ state, errorReason });
    if (errorReason !== "") {
      expect(ended.errorMessage).toBe(`the model's answer has more than ${4 * MIB} bytes`);
    }
  },
);

test("what a tool says with NUL characters in it, which no text of the database can hold, is told without them", async () => {
  await using world = await worlds.start();
  const run = async () => ({ text: "PNG\0\0data", isError: false });
  world.tools.push({ spec: { name: "look", description: "Looks.", parameters: {} }, run });
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* ({ messages }) {
    const looked = messages.at(-1)?.parts[0]?.content;
    if (looked?.case === "toolResult") yield { type: "text", text: looked.value.text };
    else yield toolCall("c1", "look");
    yield end();
  };
  const ended = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED });
  expect(ended.reply && textOf(ended.reply)).toBe("PNG\uFFFD\uFFFDdata");
});
