import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { linkedSignal } from "./linked-signal.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

test("it aborts with the first of its sources, for its reason", () => {
  const [one, other] = [new AbortController(), new AbortController()];
  using linked = linkedSignal(one.signal, other.signal);
  expect(linked.signal.aborted).toBe(false);
  other.abort(new Error("first"));
  one.abort(new Error("second"));
  expect(linked.signal.reason).toMatchObject({ message: "first" });
  using late = linkedSignal(one.signal, other.signal);
  expect(late.signal.reason).toMatchObject({ message: "second" });
});

test("let go, it does not follow any more", () => {
  const source = new AbortController();
  const linked = linkedSignal(source.signal);
  linked[Symbol.dispose]();
  source.abort();
  expect(linked.signal.aborted).toBe(false);
});

test("whoever listens to it and leaves it at that keeps nothing once it is let go", async () => {
  const source = new AbortController();
  const left = () => {
    const held = { answer: "x".repeat(1_000) };
    using linked = linkedSignal(source.signal, new AbortController().signal);
    linked.signal.addEventListener("abort", () => held.answer);
    return new WeakRef(held);
  };
  const held = Array.from({ length: 10 }, left);
  await eventually(() => {
    collect();
    return held.every((one) => one.deref() === undefined);
  });
});
