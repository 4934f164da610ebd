import { describe, expect, test } from "vitest";
import { isMistyped, newKeyId, newKeyText } from "./key-text.ts";

const SHAPE = /^lk1_[0-9a-hjkmnp-tv-z]{16}_[0-9A-Za-z]{49}$/;

describe("the text of a key", () => {
  test("has the form that scanners look for, names its id, and is never the same", () => {
    const id = newKeyId();
    const texts = Array.from({ length: 200 }, () => newKeyText(id));
    for (const text of texts) {
      expect(text).toMatch(SHAPE);
      expect(text).toContain(`lk1_${id}_`);
      expect(isMistyped(text)).toBe(false);
    }
    expect(new Set(texts).size).toBe(200);
  });

  test("with any one character wrong, left out or swapped is mistyped", () => {
    const text = newKeyText(newKeyId());
    for (let at = 4; at < text.length; at += 1) {
      const other = text[at] === "7" ? "8" : "7";
      const wrong = text.slice(0, at) + other + text.slice(at + 1);
      const short = text.slice(0, at) + text.slice(at + 1);
      expect([wrong, isMistyped(wrong)]).toEqual([wrong, true]);
      expect([short, isMistyped(short)]).toEqual([short, true]);
    }
    const at = text.length - 20;
    const swapped = text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2);
    expect(isMistyped(swapped)).toBe(swapped !== text);
  });

  test.each(["lk1_", "lk1_short", `lk1_${"a".repeat(16)}_${"b".repeat(49)}`])(
    "%s is mistyped",
    (text) => expect(isMistyped(text)).toBe(true),
  );

  test.each(["lk_0123456789abcdef", "any-text-of-an-operator", "lks1.cli.abc", ""])(
    "%j is of another form and not judged",
    (text) => expect(isMistyped(text)).toBe(false),
  );

  test("stays what it was: a key of before is good for ever", () => {
    const stored = "lk1_0123456789abcdef_9AUM96iS84IX0WAtYjRKX4RxRQNNjfsR8rFip0DoBEf1Th8HQ";
    expect(isMistyped(stored)).toBe(false);
  });
});
