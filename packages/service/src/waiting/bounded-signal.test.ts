import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { boundedSignal } from "./bounded-signal.ts";

/** Collects memory again and again until the test is over. */
function collecting(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const collector = setInterval(collect, 10);
  onTestFinished(() => clearInterval(collector));
}

function aborted(signal: AbortSignal): Promise<Error> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(signal.reason as Error), { once: true });
  });
}

test("a bound that nobody holds is kept when memory is collected", async () => {
  collecting();
  const reason = await aborted(boundedSignal(new AbortController().signal, 100));
  expect(reason).toMatchObject({ name: "TimeoutError", message: "not done within 100 ms" });
});

test("it ends with the signal that it follows, for its reason", async () => {
  collecting();
  const outer = new AbortController();
  const reason = aborted(boundedSignal(outer.signal, 60_000));
  outer.abort(new Error("the process ends"));
  await expect(reason).resolves.toMatchObject({ message: "the process ends" });
  expect(boundedSignal(outer.signal, 60_000).reason).toBe(outer.signal.reason);
});

test("a signal may be followed by many", async () => {
  const warned: Error[] = [];
  const note = (warning: Error) => {
    if (warning.name === "MaxListenersExceededWarning") warned.push(warning);
  };
  process.on("warning", note);
  onTestFinished(() => void process.off("warning", note));
  const outer = new AbortController();
  const bounds = Array.from({ length: 50 }, () => boundedSignal(outer.signal, 60_000));
  // Node warns a turn later.
  await new Promise((resolve) => setImmediate(resolve));
  outer.abort();
  expect(bounds.every(({ aborted }) => aborted)).toBe(true);
  expect(warned).toEqual([]);
});
