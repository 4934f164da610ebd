import { expect, test } from "vitest";
import { formatPageToken, parsePageToken } from "./page-token.ts";

const by = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("a token is where its page ended", () => {
  expect(parsePageToken(formatPageToken(["agent:main:a", "7"]), 2)).toEqual(["agent:main:a", "7"]);
  expect(parsePageToken("", 2)).toBeUndefined();
});

test.each([
  ["no base64", "%%%"],
  ["no list", by({ length: 1, 0: "a" })],
  ["too many parts", by(["a", "b"])],
  ["a part that is no text", by([7])],
  ["a character that no text of the database has", by(["agent:main:\0"])],
])("what is no token of ours is refused: %s", (_what, token) => {
  const refused = expect.objectContaining({
    reason: "INVALID_REQUEST",
    metadata: { field: "page_token" },
  });
  expect(() => parsePageToken(token, 1)).toThrow(refused);
});
