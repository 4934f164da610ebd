import { describe, expect, test, vi } from "vitest";
import { retry } from "./retry.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const always = () => true;
const half = () => 0.5;

/** Fails with `failures` in turn, then gives "done". */
function failing(...failures: string[]) {
  const left = [...failures];
  return vi.fn(async () => {
    const failure = left.shift();
    if (failure !== undefined) throw new Error(failure);
    return "done";
  });
}

describe("retry", () => {
  test("goes on until it succeeds, waiting longer each time", async () => {
    const clock = new ManualClock();
    const waits: number[] = [];
    const fn = failing("one", "two");
    const work = retry(fn, {
      isRetryable: always,
      attempts: 5,
      clock,
      random: half,
      onRetry: ({ delayMs }) => waits.push(delayMs),
    });
    await clock.advance(1_000);
    expect(await work).toBe("done");
    expect(waits).toEqual([50, 100]);
    expect(fn).toHaveBeenCalledTimes(3);
  });

  test("throws on at once what a retry cannot help", async () => {
    const fn = failing("no");
    await expect(retry(fn, { isRetryable: () => false, attempts: 5 })).rejects.toThrow("no");
    expect(fn).toHaveBeenCalledTimes(1);
  });

  test("throws the last failure when the attempts are used up", async () => {
    const clock = new ManualClock();
    const fn = failing("one", "two", "three");
    const work = retry(fn, { isRetryable: always, attempts: 2, clock, random: half });
    const failed = expect(work).rejects.toThrow("two");
    await clock.advance(1_000);
    await failed;
    expect(fn).toHaveBeenCalledTimes(2);
  });

  test("waits at least as long as it was asked to", async () => {
    const clock = new ManualClock();
    const fn = failing("busy");
    const work = retry(fn, {
      isRetryable: always,
      attempts: 2,
      clock,
      random: () => 0,
      askedDelayMs: () => 700,
    });
    await clock.untilWaiting();
    await clock.advance(699);
    expect(fn).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(await work).toBe("done");
  });

  test("an abort ends the wait with its reason", async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const work = retry(failing("one"), {
      isRetryable: always,
      attempts: 2,
      clock,
      random: half,
      signal: stop.signal,
    });
    const failed = expect(work).rejects.toThrow("enough");
    await clock.untilWaiting();
    stop.abort(new Error("enough"));
    await failed;
  });

  test("an abort during an attempt is not answered with another one", async () => {
    const stop = new AbortController();
    const fn = vi.fn(async () => {
      stop.abort();
      throw new Error("cut off");
    });
    await expect(
      retry(fn, { isRetryable: always, attempts: 9, signal: stop.signal }),
    ).rejects.toThrow("cut off");
    expect(fn).toHaveBeenCalledTimes(1);
  });
});
