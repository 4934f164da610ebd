import { expect, test } from "vitest";
import { StopRequest, unlessCalledOff, unlessStopped } from "./stop-request.ts";

test("Ctrl-C under npm comes twice and is one request; a second that was meant forces", async () => {
  let nowMs = 0;
  const request = new StopRequest(() => nowMs);
  using _signals = request.listen();
  process.emit("SIGINT", "SIGINT");
  nowMs = 20;
  process.emit("SIGINT", "SIGINT");
  expect([request.stop.aborted, request.force.aborted]).toEqual([true, false]);
  nowMs = 600;
  process.emit("SIGINT", "SIGINT");
  expect(request.force.aborted).toBe(true);
});

test("the end of whoever started us is a request to stop", () => {
  const request = new StopRequest();
  const before = process.listeners("SIGHUP");
  {
    using _signals = request.listen();
    expect(process.listeners("SIGHUP").length).toBeGreaterThan(before.length);
    process.emit("disconnect");
  }
  expect(request.stop.aborted).toBe(true);
  expect(process.listeners("SIGHUP")).toEqual(before);
});

test("work that hangs does not keep a stop waiting", async () => {
  const stop = new AbortController();
  const hangs = unlessStopped(stop.signal, new Promise<never>(() => undefined));
  stop.abort(new Error("SIGTERM"));
  await expect(hangs).rejects.toThrow("SIGTERM");
  expect(await unlessStopped(new AbortController().signal, Promise.resolve(1))).toBe(1);
});

test("what fails once a stop was asked for has not failed, what fails before has", async () => {
  const request = new AbortController();
  const work = async () => {
    throw new Error("initdb was interrupted");
  };
  await expect(unlessCalledOff(request.signal, work())).rejects.toThrow("interrupted");
  request.abort();
  await unlessCalledOff(request.signal, work());
});
