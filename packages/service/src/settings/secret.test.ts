import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { Secret } from "./secret.ts";

const VALUE = "hunter2-hunter2";

describe("Secret", () => {
  const secret = new Secret(VALUE);
  test.each<[string, string]>([
    ["String", String(secret)],
    ["concatenation", `a${String(secret)}`],
    ["JSON", JSON.stringify({ nested: [secret] })],
    ["inspect", inspect({ secret }, { depth: 10, showHidden: true })],
    ["copy", JSON.stringify(Object.assign({}, secret))],
    ["keys", JSON.stringify(Object.getOwnPropertyNames(secret))],
    ["error", inspect(new Error("no", { cause: secret }))],
  ])("%s does not show it", (_way, shown) => {
    expect(shown).not.toContain("hunter2");
  });

  test("reveal gives it", () => {
    expect(secret.reveal()).toBe(VALUE);
  });

  test("matches only the same text, whatever its length", () => {
    expect(secret.matches(VALUE)).toBe(true);
    expect(secret.matches("hunter2")).toBe(false);
    expect(secret.matches("")).toBe(false);
  });
});
