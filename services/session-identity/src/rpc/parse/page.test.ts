import { expect, test } from "vitest";
import { pageToken, readNumberToken, readPageToken } from "./page.ts";

const QUESTION = ["sessions", "t1", { prefix: "" }];

test("a token goes on where its page ended, for its own question alone", () => {
  const token = pageToken(QUESTION, "agent:main:a");
  expect(readPageToken(QUESTION, token)).toBe("agent:main:a");
  expect(readPageToken(QUESTION, "")).toBeUndefined();
  for (const other of [
    ["sessions", "t2", { prefix: "" }],
    [...QUESTION, true],
  ]) {
    expect(() => readPageToken(other, token)).toThrow(
      expect.objectContaining({ reason: "INVALID_REQUEST" }),
    );
  }
});

test.each([
  ["no base64", "%%%"],
  ["another question's", pageToken(["journal"], "7")],
  ["a character that no text of the database has", pageToken(QUESTION, "agent:main:\0")],
])("what was not given out is refused: %s", (_what, token) => {
  const refused = expect.objectContaining({
    reason: "INVALID_REQUEST",
    metadata: { field: "page_token" },
  });
  expect(() => readPageToken(QUESTION, token)).toThrow(refused);
  expect(() => readNumberToken(QUESTION, token)).toThrow(refused);
});
