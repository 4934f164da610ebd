import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "./clock.ts";
import { ManualClock } from "../testing/manual-clock.ts";

describe("systemClock", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a timer longer than setTimeout can hold does not fire at once", async () => {
    vi.useFakeTimers();
    const fired = vi.fn();
    const days = 24 * 3_600_000;
    systemClock.setTimer(60 * days, fired);
    await vi.advanceTimersByTimeAsync(60 * days - 1);
    expect(fired).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(fired).toHaveBeenCalledTimes(1);
  });

  test("a cancelled timer stays silent, also after its first leg", async () => {
    vi.useFakeTimers();
    const fired = vi.fn();
    const days = 24 * 3_600_000;
    const timer = systemClock.setTimer(60 * days, fired);
    await vi.advanceTimersByTimeAsync(30 * days);
    timer.cancel();
    await vi.advanceTimersByTimeAsync(60 * days);
    expect(fired).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("sleep ends with the signal's reason", async () => {
    const stop = new AbortController();
    const sleeping = systemClock.sleep(3_600_000, stop.signal);
    stop.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
    await expect(systemClock.sleep(0, stop.signal)).rejects.toThrow("enough");
  });

  test("monotonic time does not go back", () => {
    const before = systemClock.monotonicMs();
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(before);
  });
});

describe("ManualClock", () => {
  test("fires what falls due, in order, at its own time", async () => {
    const clock = new ManualClock(new Date(0));
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name} at ${clock.now().getTime()}`);
    clock.setTimer(30, note("c"));
    clock.setTimer(10, note("a"));
    clock.setTimer(20, note("b"));
    await clock.advance(25);
    expect(fired).toEqual(["a at 10", "b at 20"]);
    expect(clock.monotonicMs()).toBe(25);
    expect(clock.waiting).toBe(1);
  });

  test("a sleep that a sleep leads to is met in the same advance", async () => {
    const clock = new ManualClock();
    let done = false;
    const work = (async () => {
      await clock.sleep(10);
      await clock.sleep(10);
      done = true;
    })();
    await clock.advance(20);
    expect(done).toBe(true);
    await work;
  });

  test("advance lets work that has just begun set its timer", async () => {
    const clock = new ManualClock();
    const work = (async () => {
      await Promise.resolve();
      await clock.sleep(5);
    })();
    await clock.advance(5);
    expect(clock.waiting).toBe(0);
    await work;
  });

  test("untilWaiting comes back when the code under test waits", async () => {
    const clock = new ManualClock();
    const work = (async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.sleep(5);
    })();
    await clock.untilWaiting();
    await clock.advance(5);
    await work;
    expect(clock.waiting).toBe(0);
  });

  test("an aborted sleep leaves no timer behind", async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const sleeping = clock.sleep(5, stop.signal);
    stop.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
    expect(clock.waiting).toBe(0);
  });

  test("a jump of the wall clock moves neither timers nor monotonic time", async () => {
    const clock = new ManualClock(new Date(0));
    clock.jumpTo(new Date(1_000_000));
    expect(clock.monotonicMs()).toBe(0);
    await clock.advance(1);
    expect(clock.now().getTime()).toBe(1_000_001);
  });
});
