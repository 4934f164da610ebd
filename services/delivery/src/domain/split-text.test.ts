import fc from "fast-check";
import { expect, test } from "vitest";
import { slackText, slackUnits } from "./slack-text.ts";
import { splitText } from "./split-text.ts";

const anyText = fc.string({ unit: "grapheme", maxLength: 200 });
const words = fc.array(fc.constantFrom("a", "bb. ", "\n", "\n\n", " ", "👍🏽", "é", "&", "<"), {
  maxLength: 80,
});

test("the pieces are the text, each fits, and the same text is cut in the same places", () => {
  const texts = fc.oneof(
    anyText,
    words.map((list) => list.join("")),
  );
  fc.assert(
    fc.property(texts, fc.integer({ min: 8, max: 60 }), (text, limit) => {
      const pieces = splitText(text, limit);
      expect(pieces.join("")).toBe(text);
      expect(pieces.every((piece) => piece.length <= limit && piece !== "")).toBe(true);
      expect(splitText(text, limit)).toEqual(pieces);
      // `u` sees the halves of a pair that was cut as what they are.
      const isBroken = (part: string) => /\p{Cs}/u.test(part);
      expect(pieces.some((piece) => isBroken(piece))).toBe(isBroken(text));
    }),
  );
});

test("what is escaped is counted as it is sent", () => {
  fc.assert(
    fc.property(words, (list) => {
      const pieces = splitText(list.join(""), 20, slackUnits);
      expect(pieces.every((piece) => slackText(piece).length <= 20)).toBe(true);
    }),
  );
});

test.each([
  ["between paragraphs", "first one\n\nsecond one", 15, ["first one\n\n", "second one"]],
  ["between lines", "first line\nsecond line", 15, ["first line\n", "second line"]],
  ["between sentences", "One here. Two here.", 14, ["One here. ", "Two here."]],
  ["between words", "alpha beta gamma", 12, ["alpha beta ", "gamma"]],
  ["in a word that is too long", "abcdefghij", 4, ["abcd", "efgh", "ij"]],
  ["not far before the end for a paragraph", "a\n\nbbbbbbbb cc", 12, ["a\n\nbbbbbbbb ", "cc"]],
  ["around a family", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 15, ["👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"]],
])("a text is cut %s", (_, text, limit, pieces) => {
  expect(splitText(text, limit)).toEqual(pieces);
});

test("a cluster that is longer than a message is cut between code points, and there is an end", () => {
  const text = `e${"\u0301".repeat(50)}`;
  expect(splitText(text, 10).join("")).toBe(text);
  expect(splitText("👍", 1)).toEqual(["👍"]);
});
