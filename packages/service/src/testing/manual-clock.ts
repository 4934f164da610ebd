import { type Clock, type ClockTimer, sleepOn } from "../waiting/clock.ts";

interface Pending {
  readonly atMs: number;
  readonly fn: () => void;
}

/** Time that moves only when told to. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #pending = new Set<Pending>();

  constructor(start: Date = new Date("2026-01-01T00:00:00Z")) {
    this.#wallMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  setTimer(ms: number, fn: () => void): ClockTimer {
    const pending = { atMs: this.#monotonicMs + Math.max(0, ms), fn };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Timers and sleeps that wait. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Comes back once the code under test waits on at least `count` timers. */
  async untilWaiting(count = 1): Promise<void> {
    while (this.#pending.size < count) await turnOfTheLoop();
  }

  /**
   * Moves both clocks forward, firing what falls due in order. What is under way gets to set its timers
   * before, and what a timer wakes runs on before the next.
   */
  async advance(ms: number): Promise<void> {
    await turnOfTheLoop();
    const endMs = this.#monotonicMs + ms;
    for (let due = this.#next(endMs); due; due = this.#next(endMs)) {
      this.#moveTo(due.atMs);
      this.#pending.delete(due);
      due.fn();
      await turnOfTheLoop();
    }
    this.#moveTo(endMs);
    await turnOfTheLoop();
  }

  /** Sets the wall clock, as an operator or NTP does; monotonic time and timers do not notice. */
  jumpTo(wall: Date): void {
    this.#wallMs = wall.getTime();
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #next(endMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.atMs <= endMs && (!first || pending.atMs < first.atMs)) first = pending;
    }
    return first;
  }
}

/** All promises that are ready have run when this resolves. */
function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
