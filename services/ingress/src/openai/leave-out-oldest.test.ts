import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  type PartSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { SubmitTurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { expect, test } from "vitest";
import { leaveOutOldest } from "./leave-out-oldest.ts";
import { messageBytes } from "./message-size.ts";
import { text } from "./parse-content.ts";

const ROLES = new Map([
  ["s", Role.SYSTEM],
  ["u", Role.USER],
  ["a", Role.ASSISTANT],
  ["t", Role.TOOL],
]);

/** Of words such as `u1`, whose first letter is the role. */
const conversation = (words: string): Message[] =>
  words.split(" ").map((word) =>
    create(MessageSchema, {
      role: ROLES.get(word.slice(0, 1)) ?? Role.UNSPECIFIED,
      parts: [text(word)],
    }),
  );

const words = (messages: readonly Message[]) =>
  messages
    .map(({ parts: [part] }) => (part?.content.case === "text" ? part.content.value : "?"))
    .join(" ");

const keep = (count: number, conversed: string) =>
  words(leaveOutOldest(conversation(conversed), { count, bytes: 1_000_000 }));

test.each([
  ["as much as fits", 7, "s u1 a1 u2 a2 u3 a3 u4", "s u2 a2 u3 a3 u4"],
  ["all that fits", 8, "s u1 a1 u2 a2 u3 a3 u4", "s u1 a1 u2 a2 u3 a3 u4"],
  ["whole exchanges, calls with their results", 6, "u1 a1 t1 a2 u2 a3 u3", "u2 a3 u3"],
  ["the last answer, by which what is new is told", 2, "u1 a1 u2 a2 u3", "a2 u3"],
  ["the last call with its result", 3, "s u1 a1 t1 a2 t2", "s a2 t2"],
  ["system messages of what is left out", 5, "s u1 s1 a1 u2 a2 u3", "s s1 u2 a2 u3"],
  ["those last, and never the head", 3, "s u1 s1 a1 u2 a2 u3", "s a2 u3"],
  ["what follows the last answer, fit or not", 2, "s u1 a1 u2 s2 u3", "s a1 u2 s2 u3"],
  ["all of a request without an answer", 1, "s u1 u2", "s u1 u2"],
  ["all of a request of system messages", 1, "s s1", "s s1"],
])("leaves %s", (_what, count, conversed, kept) => {
  expect(keep(count, conversed)).toBe(kept);
});

test("bytes are counted like messages", () => {
  const messages = conversation("u1 a1 u2 a2 u3");
  const bytes = messages.slice(2).reduce((sum, message) => sum + messageBytes(message), 0);
  expect(words(leaveOutOldest(messages, { count: 10, bytes }))).toBe("u2 a2 u3");
  expect(words(leaveOutOldest(messages, { count: 10, bytes: bytes - 1 }))).toBe("a2 u3");
});

const LONG = "ü".repeat(1_500_000);
const CALL = { callId: LONG, name: LONG, argumentsJson: LONG };
const named = { mediaType: LONG, fileName: LONG };
test.each<readonly [what: string, part: MessageInitShape<typeof PartSchema>]>([
  ["text", { content: { case: "text", value: LONG } }],
  ["an empty text", { content: { case: "text", value: "" } }],
  [
    "a result",
    { content: { case: "toolResult", value: { callId: LONG, text: LONG, isError: true } } },
  ],
  ["a call", { content: { case: "toolCall", value: CALL } }],
  [
    "a file by its URI",
    { content: { case: "file", value: { source: { case: "uri", value: LONG }, ...named } } },
  ],
  [
    "a file's bytes",
    {
      content: {
        case: "file",
        value: { source: { case: "data", value: new Uint8Array(3_000_000) }, ...named },
      },
    },
  ],
])("no message is counted as less than it takes: %s", (_what, part) => {
  const message = create(MessageSchema, { role: Role.USER, senderId: LONG, parts: [part, part] });
  const submit = create(SubmitTurnRequestSchema, { messages: [message] });
  const { length } = toBinary(SubmitTurnRequestSchema, submit);
  expect(messageBytes(message)).toBeGreaterThanOrEqual(length);
  expect(messageBytes(message)).toBeLessThan(length + 100);
});
