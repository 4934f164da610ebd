import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { silenceGuard } from "./silence.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

test("a call of the model leaves nothing behind, though its client listens for ever", async () => {
  const run = new AbortController();
  const asked = () => {
    const call = { body: "x".repeat(1_000) };
    const guard = silenceGuard(60_000, run.signal);
    // As the openai package does, which does not stop listening.
    guard.signal.addEventListener("abort", () => call.body, { once: true });
    guard.stop();
    return new WeakRef(call);
  };
  const calls = Array.from({ length: 10 }, asked);
  await eventually(() => {
    collect();
    return calls.every((call) => call.deref() === undefined);
  });
});

test("it ends with the run, for its reason, and after silence", async () => {
  const run = new AbortController();
  const guard = silenceGuard(60_000, run.signal);
  run.abort(new Error("interrupted"));
  expect(guard.signal.reason).toMatchObject({ message: "interrupted" });
  expect(guard.expired()).toBe(false);
  guard.stop();
  const silent = silenceGuard(1, new AbortController().signal);
  await eventually(() => silent.signal.aborted);
  expect(silent.expired()).toBe(true);
  silent.stop();
});
