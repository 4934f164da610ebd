import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import type { ModelEvent } from "../models/model.ts";
import { end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const SAID = { type: "text", text: "said" } as const;
const counted = (inputTokens: unknown): ModelEvent =>
  ({ ...end(), inputTokens }) as unknown as ModelEvent;

/** What endpoints said that no column of the database holds as it stands, and what the turn tells of it. */
const ODD: readonly (readonly [string, readonly ModelEvent[], object])[] = [
  ["a reason with a NUL", [SAID, end("st\0p")], { finishReason: "st\uFFFDp" }],
  ["a long reason", [SAID, end("s".repeat(300_000))], { finishReason: "s".repeat(64) }],
  ["a model with a NUL", [SAID, { ...end(), model: "a\0b" } as ModelEvent], { model: "a\uFFFDb" }],
  ["a long model", [SAID, { ...end(), model: "m".repeat(999) } as ModelEvent], {}],
  ["part of a token", [SAID, counted(1.5)], { usage: { inputTokens: 1n } }],
  ["no tokens", [SAID, counted(undefined)], { usage: { inputTokens: 0n } }],
  ["tokens below 0", [SAID, counted(-5)], { usage: { inputTokens: 0n } }],
  ["tokens beyond int64", [SAID, counted(1e25)], { usage: { inputTokens: 1_000_000_000n } }],
  ["a text with a NUL", [{ type: "text", text: "sa\0id" }, end()], {}],
];

test("whatever a model says of itself, its turn ends and its lane goes on", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* ({ messages }) {
    const asked = messages.at(-1);
    const [, events] = ODD[Number(asked === undefined ? "" : textOf(asked))] ?? [];
    yield* events ?? [SAID, end()];
  };
  const ask = (text: string, key: string) =>
    new Attached(replica, { submit: turnFor(world, text, { key: `agent:main:${key}` }) }).ended;
  for (const [index, [what, , told]] of ODD.entries()) {
    const ended = await ask(String(index), what);
    expect([what, ended]).toMatchObject([what, { state: TurnState.COMPLETED, ...told }]);
    expect(await ask("next", what)).toMatchObject({ state: TurnState.COMPLETED });
  }
});

test("calls of tools by names and ids with a NUL are answered", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = async function* ({ messages }) {
    const isAnswered = messages.some(({ parts }) =>
      parts.some(({ content }) => content.case === "toolResult"),
    );
    if (isAnswered) {
      yield SAID;
      yield end();
      return;
    }
    yield toolCall("c\0", "lo\0ok", '{"a": "\0"}');
    yield end("tool_calls");
  };
  const { state, reply } = await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect([state, reply && textOf(reply)]).toEqual([TurnState.COMPLETED, "said"]);
});
