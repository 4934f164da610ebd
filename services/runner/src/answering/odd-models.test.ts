import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { callsOf, resultIds } from "../domain/context.ts";
import { textOf } from "../domain/message-text.ts";
import type { ModelEvent } from "../models/model.ts";
import { ModelError } from "../models/model-error.ts";
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

test("calls of one message that a model gave one id are told apart, and each is answered once", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const given: string[] = [];
  const run = async (argumentsJson: string) => {
    given.push(argumentsJson);
    return { text: `looked ${argumentsJson}`, isError: false };
  };
  world.tools.push({ spec: { name: "look", description: "Looks.", parameters: {} }, run });
  await applyMain(replica);
  world.model.behaviour = async function* ({ messages }) {
    if (messages.at(-1)?.role === Role.TOOL) yield SAID;
    else for (const n of [1, 2]) yield toolCall("c", "look", `{"n":${n}}`);
    yield end();
  };
  await new Attached(replica, { submit: turnFor(world, "go") }).ended;
  expect(given).toEqual(['{"n":1}', '{"n":2}']);
  expect(world.model.shown(1)).toEqual([
    "user: go",
    "assistant: call look, call look",
    'tool: result looked {"n":1}',
    'tool: result looked {"n":2}',
  ]);
  const [said, ...answers] = world.model.asked[1]?.messages.slice(1) ?? [];
  expect(answers.flatMap(resultIds)).toEqual(said && callsOf(said).map(({ callId }) => callId));
});

test("a turn without a session ends by what its endpoint says of a failure, whatever that holds", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  // oxlint-disable-next-line require-yield
  world.model.behaviour = async function* () {
    throw new ModelError("MODEL_FAILED", "no\0luck");
  };
  const target = { case: "statelessAgentId", value: "main" } as const;
  const { ended } = new Attached(replica, { submit: { ...turnFor(world, "go"), target } });
  const late = new Promise((resolve) => setTimeout(resolve, 4_000, "nothing was told"));
  expect(await Promise.race([ended, late])).toMatchObject({
    state: TurnState.FAILED,
    errorReason: "MODEL_FAILED",
    errorMessage: "no\uFFFDluck",
  });
});
