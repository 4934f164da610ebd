import { create } from "@bufbuild/protobuf";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { MessageSchema, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { expect, test } from "vitest";
import { compactedBy, compactionNote, isFull, keptVerbatim, summaryRequest } from "./compaction.ts";
import { textMessage, toolResultMessage } from "./context.ts";

const user = (text: string) => ({ message: textMessage(Role.USER, text) });
const agent = (text: string) => ({ message: textMessage(Role.ASSISTANT, text) });

test("only a compaction that names a run is a run's", () => {
  const note = compactionNote("r1");
  expect(compactedBy({ reason: RotationReason.COMPACTION, note })).toBe("r1");
  expect(compactedBy({ reason: RotationReason.RESET, note })).toBeUndefined();
  expect(compactedBy({ reason: RotationReason.COMPACTION, note: "by hand" })).toBeUndefined();
  expect(compactedBy(undefined)).toBeUndefined();
});

test.each([
  ["below the threshold", { budget: 100, fixed: 10, history: 39 }, false],
  ["above it", { budget: 100, fixed: 10, history: 41 }, true],
  ["filled by what no summary makes smaller", { budget: 100, fixed: 90, history: 12 }, false],
])("a context %s", (_what, sizes, expected) => {
  expect(isFull(sizes, 50)).toBe(expected);
});

test("the last whole exchanges stay, as many as fit", () => {
  const said = [user("aaaa"), agent("bbbb"), user("cc"), agent("dd"), user("e"), agent("f")];
  expect(keptVerbatim(said, 6, 0)).toEqual(said.slice(2));
  expect(keptVerbatim(said, 5, 0)).toEqual(said.slice(4));
  expect(keptVerbatim(said, 1, 0)).toEqual([]);
  expect(keptVerbatim(said, 1_000, 0)).toEqual(said);
});

test("a summary is asked for in text alone, with what came before and the newest of what was said", () => {
  const call = create(MessageSchema, {
    role: Role.ASSISTANT,
    parts: [
      { content: { case: "text", value: "I look" } },
      { content: { case: "toolCall", value: { callId: "c", name: "look", argumentsJson: "{}" } } },
    ],
  });
  const said = [textMessage(Role.USER, "where?"), call, toolResultMessage("c", "there", false)];
  const whole = summaryRequest("earlier", said, 1_000).text;
  expect(whole).toBe(
    "Summary of what came before:\nearlier\n\nThe conversation:\n" +
      "user: where?\nassistant: I look [calls look {}]\ntool: [result: there]",
  );
  expect(summaryRequest("", said, 21).text).toBe("The conversation:\ntool: [result: there]");
  // No room is left: not all of it, but nothing.
  expect(summaryRequest("earlier", said, 5).text).toMatch(/The conversation:\n$/);
});
