import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { describe, expect, test } from "vitest";
import { textMessage } from "./context.ts";
import { textOf } from "./message-text.ts";
import { type KnownSession, type KnownTurn, newInput } from "./new-input.ts";

const ROLES = { u: Role.USER, a: Role.ASSISTANT, s: Role.SYSTEM, t: Role.TOOL };

/** "u1 a1 u2": a message each, its role by its first letter. */
function messages(text: string): Message[] {
  if (text === "") return [];
  return text
    .split(" ")
    .map((word) => textMessage(ROLES[word.charAt(0) as keyof typeof ROLES], word));
}

/** "u1>a1 u2": finished turns with their replies, then those under way; inputs joined by "+". */
function session(text: string, more: Partial<KnownSession> = {}): KnownSession {
  const turns: KnownTurn[] = (text === "" ? [] : text.split(" ")).map((word) => {
    const [input = "", reply] = word.split(">");
    return {
      input: messages(input.replaceAll("+", " ")),
      replyText: reply,
      isFinished: reply !== undefined,
    };
  });
  return { turns, systemMessages: [], isEmpty: turns.length === 0, ...more };
}

function split(request: string, known: KnownSession): string {
  const { seed, input } = newInput(messages(request), known);
  const words = (list: readonly Message[]) => list.map(textOf).join(" ");
  return seed.length === 0 ? words(input) : `${words(seed)} | ${words(input)}`;
}

describe("what is new in a request", () => {
  test.each([
    ["a first message", "u1", session(""), "u1"],
    ["a first request with history seeds", "u1 a1 u2", session(""), "u1 a1 | u2"],
    ["history again", "u1 a1 u2", session("u1>a1"), "u2"],
    ["only the last", "u2", session("u1>a1"), "u2"],
    ["a double tap resends the first, which runs", "u1 u2", session("u1"), "u2"],
    ["a double tap, the first waits", "u1 a1 u2 u3", session("u1>a1 u2"), "u3"],
    ["the answer was not heard", "u1 a1 u2 u3", session("u1>a1 u2>a2"), "u3"],
    ["the same words again on purpose", "u1 a1 u1", session("u1>a1"), "u1"],
    ["sent again after its answer was not heard", "u1", session("u1>a1"), "u1"],
    ["an edited answer", "u1 a9 u2", session("u1>a1"), "u2"],
    ["an edited answer and a double tap", "u1 a9 u2 u3", session("u1>a1 u2"), "u3"],
    ["two new ones at once", "u1 a1 u2 u3", session("u1>a1"), "u2 u3"],
    ["an older answer's words do not count", "u1 a1 u2 a2 u1 u3", session("u1>a1 u2>a2"), "u1 u3"],
    [
      "instructions each time, said once",
      "s1 u2",
      session("u1>a1", { systemMessages: messages("s1") }),
      "u2",
    ],
    ["instructions that a running turn says", "s1 u1 u2", session("s1+u1"), "u2"],
    [
      "changed instructions are new",
      "s2 u2",
      session("u1>a1", { systemMessages: messages("s1") }),
      "s2 u2",
    ],
    [
      "instructions of before, once others were told: the model went on by those",
      "s1 u3",
      session("s1+u1>a1 s2+u2>a2", { systemMessages: messages("s2 s1") }),
      "s1 u3",
    ],
    [
      "instructions of before, while a turn under way says others",
      "s1 u3",
      session("s1+u1>a1 s2+u2", { systemMessages: messages("s1") }),
      "s1 u3",
    ],
    [
      "of several instructions the last alone is said again",
      "s1 s2 u3",
      session("s1+s2+u1>a1 s3+u2>a2", { systemMessages: messages("s3 s2 s1") }),
      "s2 u3",
    ],
    [
      "several instructions each time, said once",
      "s1 s2 u2",
      session("s1+s2+u1>a1", { systemMessages: messages("s2 s1") }),
      "u2",
    ],
    [
      "one that stays beside one that changes each time",
      "s1 s3 u2",
      session("s1+s2+u1>a1", { systemMessages: messages("s2 s1") }),
      "s3 u2",
    ],
    [
      "instructions between two messages that run are told",
      "u1 s1 u2 u3",
      session("u1 s1+u2"),
      "u3",
    ],
    [
      "instructions between two messages that ran unheard are told",
      "u1 a1 u2 s1 u3 u4",
      session("u1>a1 u2>a2 s1+u3>a3", { systemMessages: messages("s1") }),
      "u4",
    ],
    ["a tool's result", "u1 a1 t1", session("u1>a1"), "t1"],
    ["a request that ends with the agent's words", "u1 a1", session("u1"), "a1"],
  ])("%s", (_what, request, known, expected) => {
    expect(split(request, known)).toBe(expected);
  });
});
