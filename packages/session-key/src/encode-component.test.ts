import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyText, SEARCH } from "./arbitraries.test-support.ts";
import { decodeComponent, encodeComponent } from "./encode-component.ts";

/** Every code point but the surrogates. */
function* everyCharacter(): Generator<string> {
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code);
  }
}

describe("encodeComponent", () => {
  it("is NFC behind an escape, with every character there is", () => {
    const broken: string[] = [];
    for (const character of everyCharacter()) {
      const text = `:${character}`.normalize("NFC");
      const encoded = encodeComponent(text);
      if (encoded.normalize("NFC") !== encoded) broken.push(character);
    }
    expect(broken).toEqual([]);
  });

  it("reads back, holds no colon and stays NFC, over any NFC text", () => {
    fc.assert(
      fc.property(anyText, (given) => {
        if (/\p{Cs}/u.test(given)) return;
        const text = given.normalize("NFC");
        const encoded = encodeComponent(text);
        expect(decodeComponent(encoded)).toBe(text);
        expect(encoded).not.toContain(":");
        expect(encoded.normalize("NFC")).toBe(encoded);
      }),
      SEARCH,
    );
  });

  it("ends an escaped run at the first character that is no mark", () => {
    expect(encodeComponent(":\u030a\u0301y\u0301")).toBe("%3A%CC%8A%CC%81y\u0301");
  });
});

describe("decodeComponent", () => {
  it.each(["%", "%4", "%zz", "%FF", "%3a", "%41", "a:b", "%3A\u030a", "\u030a%CC%8A"])(
    "refuses %j, which no component is written like",
    (encoded) => {
      expect(decodeComponent(encoded)).toBeUndefined();
    },
  );
});
