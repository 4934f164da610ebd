import { expect, test } from "vitest";
import { dataUri, imageUri } from "./file-uri.ts";

const PATH = "messages[0].content[0].image_url.url";

test("a data URI has its parameters within some hundred characters", () => {
  const value = "data:image/png;name=a.png;base64,AAAA";
  expect(imageUri({ path: PATH, value })).toBe(value);
});

test("one whose parameters have no end is refused by its field", () => {
  const value = `data:a/b${";a".repeat(3_000_000)};base64,AAAA`;
  for (const read of [imageUri, dataUri]) {
    const refused = expect.objectContaining({
      reason: "INVALID_REQUEST",
      metadata: { field: PATH },
    });
    expect(() => read({ path: PATH, value }, "audio/wav")).toThrow(refused);
  }
});
