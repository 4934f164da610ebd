import { expect, test } from "vitest";
import { checkReadiness, notReady, READY } from "./readiness.ts";

test("gives what the check says", async () => {
  expect(await checkReadiness(() => READY)).toEqual({ ready: true });
  expect(await checkReadiness(async () => notReady("no store"))).toEqual({
    ready: false,
    reasons: ["no store"],
  });
});

test("a check that throws is not ready", async () => {
  const answer = await checkReadiness(() => Promise.reject(new Error("boom")));
  expect(answer).toEqual({ ready: false, reasons: ["the readiness check failed: boom"] });
});

test("a check that hangs is not ready, before the probe gives up", async () => {
  const answer = await checkReadiness(() => new Promise(() => undefined), 5);
  expect(answer).toEqual({
    ready: false,
    reasons: ["the readiness check did not answer within 5 ms"],
  });
});
