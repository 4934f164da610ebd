import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeList, decodeValue, encodeList, encodeValue } from "./percent.ts";

test("any text comes back from visible ASCII", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = encodeValue(text);
      expect(encoded).toMatch(/^[!-~]*$/);
      expect(decodeValue("k", encoded)).toBe(text);
    }),
  );
});

test("a list of non-empty texts comes back", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1 })), (items) => {
      expect(decodeList("k", encodeList(items))).toEqual(items);
    }),
  );
});

test.each([
  ["plain:ascii/1", "plain:ascii/1"],
  ["a,b", "a%2Cb"],
  ["50%", "50%25"],
  ["é", "%C3%A9"],
  [" x ", "%20x%20"],
])("%j is %s on the wire", (text, encoded) => {
  expect(encodeValue(text)).toBe(encoded);
});

test("what is no percent-encoded UTF-8 is refused by name", () => {
  expect(() => decodeValue("lanekeeper-tenant", "%FF")).toThrow(/lanekeeper-tenant/);
});
