import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock } from "@lanekeeper/service";
import { ManualClock } from "@lanekeeper/service/testing";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { silenceGuard } from "./silence.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const patience = { silenceMs: 60_000, callMs: 300_000 };

test("a call of the model leaves nothing behind, though its client listens for ever", async () => {
  const run = new AbortController();
  const asked = () => {
    const call = { body: "x".repeat(1_000) };
    const guard = silenceGuard(patience, run.signal, systemClock);
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

test("it ends with the run, for its reason", () => {
  const run = new AbortController();
  const guard = silenceGuard(patience, run.signal, new ManualClock());
  run.abort(new Error("interrupted"));
  expect(guard.signal.reason).toMatchObject({ message: "interrupted" });
  expect(guard.tooLate()).toBeUndefined();
});

test("it ends after silence, counted from what was heard last", async () => {
  const clock = new ManualClock();
  const guard = silenceGuard(patience, new AbortController().signal, clock);
  await clock.advance(30_000);
  guard.heard();
  await clock.advance(59_999);
  expect(guard.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(guard.signal.aborted).toBe(true);
  expect(guard.tooLate()).toBe("was silent for 60000 ms");
});

test("it ends when the call takes too long, though it is never silent", async () => {
  const clock = new ManualClock();
  const guard = silenceGuard(patience, new AbortController().signal, clock);
  for (let second = 1; second < 300; second++) {
    await clock.advance(1_000);
    guard.heard();
  }
  expect(guard.signal.aborted).toBe(false);
  await clock.advance(1_000);
  expect(guard.signal.aborted).toBe(true);
  expect(guard.tooLate()).toContain("300000 ms, the longest that one call may take");
});

test("stopped, it leaves no timer", async () => {
  const clock = new ManualClock();
  const guard = silenceGuard(patience, new AbortController().signal, clock);
  await clock.advance(30_000);
  guard.heard();
  await clock.advance(45_000);
  guard.stop();
  expect(clock.waiting).toBe(0);
});
