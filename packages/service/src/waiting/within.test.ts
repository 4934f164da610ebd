import { expect, test } from "vitest";
import { finishWithin } from "./within.ts";

test("done, failed and thrown at once", async () => {
  const error = new Error("no");
  const thrown = () => {
    throw error;
  };
  expect(await finishWithin(60_000, () => Promise.resolve())).toEqual({ kind: "done" });
  expect(await finishWithin(60_000, () => Promise.reject(error))).toEqual({
    kind: "failed",
    error,
  });
  expect(await finishWithin(60_000, thrown)).toEqual({ kind: "failed", error });
});

test("work that never ends is late", async () => {
  expect(await finishWithin(1, () => new Promise(() => undefined))).toEqual({ kind: "late" });
});

test("work that is done already is never late, not even with no time at all", async () => {
  expect(await finishWithin(0, () => undefined)).toEqual({ kind: "done" });
});
