import { expect, test } from "vitest";
import { keyText } from "./log-keys.ts";
import { Secret } from "../settings/secret.ts";

const KEY = "agent:main:whatsapp:direct:491701234567";

test("full shows it, none leaves it out", () => {
  expect(keyText("full", undefined)(KEY)).toBe(KEY);
  expect(keyText("none", undefined)(KEY)).toBeUndefined();
});

test("a hash is the same in every process with the same secret, and another with another", () => {
  const one = keyText("hash", new Secret("a"))(KEY);
  expect(one).toMatch(/^hmac:[0-9a-f]{16}$/);
  expect(keyText("hash", new Secret("a"))(KEY)).toBe(one);
  expect(keyText("hash", new Secret("b"))(KEY)).not.toBe(one);
});

test("without a secret nobody can try numbers out: the hash is another in each process", () => {
  const here = keyText("hash", undefined);
  expect(here(KEY)).toBe(here(KEY));
  expect(keyText("hash", undefined)(KEY)).not.toBe(here(KEY));
});

test("a typed peer is hashed as a whole", () => {
  const hash = keyText("hash", new Secret("a"));
  expect(hash({ channel: "sms", peer: "+491" })).not.toBe(hash({ channel: "sms", peer: "+492" }));
});

test("one that is longer than keys are is shown by its beginning, and hashed as a whole", () => {
  const [one, other] = ["a", "b"].map((end) => `${"x".repeat(5_000_000)}${end}`);
  const shown = keyText("full", undefined);
  expect(shown(one)).toBe(`${"x".repeat(1_024)}…`);
  expect(shown({ peer: one })).toHaveLength(1_025);
  expect(shown("x".repeat(1_024))).toBe("x".repeat(1_024));
  const hash = keyText("hash", new Secret("a"));
  expect(hash(one)).not.toBe(hash(other));
});
