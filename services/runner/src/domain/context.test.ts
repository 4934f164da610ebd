import { create } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  answerOpenCalls,
  assembleContext,
  callsOf,
  NO_RESULT_YET,
  textMessage,
  resultIds,
  toolResultMessage,
} from "./context.ts";
import { textOf } from "./message-text.ts";

const user = (text: string) => textMessage(Role.USER, text);
const agent = (text: string) => textMessage(Role.ASSISTANT, text);

function call(...ids: string[]): Message {
  return create(MessageSchema, {
    role: Role.ASSISTANT,
    parts: ids.map((callId) => ({
      content: { case: "toolCall" as const, value: { callId, name: "look", argumentsJson: "{}" } },
    })),
  });
}

/** Of several calls, in one message. */
function results(ids: readonly string[]): Message {
  const parts = ids.flatMap((id) => toolResultMessage(id, "r", false).parts);
  return create(MessageSchema, { role: Role.TOOL, parts });
}

function shown(messages: readonly Message[]): string[] {
  return messages.map((message) => {
    const result = message.parts[0]?.content;
    if (result?.case === "toolResult") return `${result.value.callId}=${result.value.text}`;
    return (
      textOf(message) ||
      `call ${callsOf(message)
        .map(({ callId }) => callId)
        .join()}`
    );
  });
}

const budget = (tokens: number) => ({ tokens, charsPerToken: 1, charsPerFile: 100 });

describe("what the model is shown", () => {
  const history = [user("aaaa"), agent("bbbb"), user("cccc"), agent("dddd")];

  test("of results of the turn's own tools the oldest are left out where the budget does not hold all", () => {
    const long = "r".repeat(1_000);
    const result = (id: string) => toolResultMessage(id, long, false);
    const input = [user("go")];
    const produced = [call("a"), result("a"), call("b", "c"), result("b"), result("c")];
    const parts = { systemPrompt: "sys", history, input, produced };
    const left = "[1000 characters of this result are left out: the context holds no more]";
    expect(shown(assembleContext(parts, budget(2_200)))).toEqual([
      ...["sys", "go", "call a", `a=${left}`, "call b,c", `b=${long}`, `c=${long}`],
    ]);
    expect(shown(assembleContext(parts, budget(300)))).toEqual([
      ...["sys", "go", "call a", `a=${left}`, "call b,c", `b=${left}`, `c=${left}`],
    ]);
    // What is short says as much as that it is left out.
    const short = [call("a"), toolResultMessage("a", "r".repeat(60), false)];
    const context = assembleContext({ ...parts, produced: short }, budget(50));
    expect(shown(context).at(-1)).toMatch(/^a=r+$/);
    // Nor is what a client's tool found, which is what the turn is about.
    const found = [call("z"), result("z")];
    const asked = assembleContext({ ...parts, input: found, produced: [] }, budget(50));
    expect(shown(asked)).toEqual(["sys", "call z", `z=${long}`]);
  });

  test("the last exchange without results of tools, where it does not fit with them", () => {
    const long = toolResultMessage("a", "r".repeat(1_000), false);
    const last = [user("look"), call("a"), long, agent("found")];
    const parts = { systemPrompt: "", history: [...history, ...last], input: [user("eeee")] };
    const left = "a=[1000 characters of this result are left out: the context holds no more]";
    expect(shown(assembleContext(parts, budget(150)))).toEqual([
      ...["aaaa", "bbbb", "cccc", "dddd", "look", "call a", left, "found", "eeee"],
    ]);
    expect(shown(assembleContext(parts, budget(20)))).toEqual(["eeee"]);
  });

  test("all of it, where it fits", () => {
    const parts = { systemPrompt: "sys", history, input: [user("eeee")] };
    expect(shown(assembleContext(parts, budget(100)))).toEqual([
      "sys",
      "aaaa",
      "bbbb",
      "cccc",
      "dddd",
      "eeee",
    ]);
  });

  test("the last whole exchanges, where not", () => {
    const parts = { systemPrompt: "sys", history, input: [user("eeee")] };
    expect(shown(assembleContext(parts, budget(15)))).toEqual(["sys", "cccc", "dddd", "eeee"]);
    expect(shown(assembleContext(parts, budget(14)))).toEqual(["sys", "eeee"]);
  });

  test("prompt and input, whatever the budget", () => {
    const parts = { systemPrompt: "sys", history, input: [user("eeee")] };
    expect(shown(assembleContext(parts, budget(1)))).toEqual(["sys", "eeee"]);
  });

  test("an exchange holds its tools' calls and results", () => {
    const long = [user("q"), call("c1"), toolResultMessage("c1", "r", false), agent("a")];
    const parts = { systemPrompt: "", history: long, input: [user("next")] };
    expect(shown(assembleContext(parts, budget(14)))).toEqual([
      "q",
      "call c1",
      "c1=r",
      "a",
      "next",
    ]);
    expect(shown(assembleContext(parts, budget(5)))).toEqual(["next"]);
  });
});

describe("calls and results", () => {
  test("a call that nobody answered gets a synthetic result", () => {
    expect(
      shown(
        answerOpenCalls([
          user("q"),
          call("c1", "c2"),
          toolResultMessage("c2", "r", false),
          user("n"),
        ]),
      ),
    ).toEqual(["q", "call c1,c2", "c2=r", `c1=${NO_RESULT_YET}`, "n"]);
  });

  test("a result that comes late is shown as text, where it was said", () => {
    const messages = [
      user("q"),
      call("c1"),
      user("n"),
      agent("a"),
      toolResultMessage("c1", "r", false),
    ];
    expect(shown(answerOpenCalls(messages)).at(-1)).toBe("Result of the tool call c1: r");
  });

  test("of several results in one message those of calls before it stand there, each once, and the others are text", () => {
    const messages = [user("q"), call("c1", "c2"), results(["c1", "c0", "c1"]), user("n")];
    expect(shown(answerOpenCalls(messages))).toEqual([
      "q",
      "call c1,c2",
      "c1=r",
      `c2=${NO_RESULT_YET}`,
      "Result of the tool call c0: r",
      "Result of the tool call c1: r",
      "n",
    ]);
  });

  const id = fc.constantFrom("c1", "c2", "c3");
  const message = fc.oneof(
    fc.constantFrom(user("u"), agent("a"), textMessage(Role.SYSTEM, "s")),
    fc.uniqueArray(id, { minLength: 1, maxLength: 2 }).map((ids) => call(...ids)),
    fc.array(id, { minLength: 1, maxLength: 3 }).map(results),
  );

  test("no context has a call without a result or a result without a call", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), fc.nat(30), (history, tokens) => {
        const context = assembleContext(
          { systemPrompt: "", history, input: [user("n")] },
          budget(tokens),
        );
        let open = new Set<string>();
        for (const one of context) {
          if (one.role === Role.TOOL) {
            for (const callId of resultIds(one)) expect(open.delete(callId)).toBe(true);
            continue;
          }
          expect(open.size).toBe(0);
          open = new Set(callsOf(one).map(({ callId }) => callId));
        }
        expect(open.size).toBe(0);
      }),
    );
  });
});
