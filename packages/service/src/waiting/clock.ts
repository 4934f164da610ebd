import { setMaxListeners } from "node:events";

/** Time, as a service sees it. Tests pass a `ManualClock` from `@lanekeeper/service/testing`. */
export interface Clock {
  /** Wall clock; may jump. For what people read and what is stored. */
  now(): Date;
  /** Milliseconds since some fixed moment; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once, `ms` from now, unless cancelled before. */
  setTimer(ms: number, fn: () => void): ClockTimer;
}

export interface ClockTimer {
  cancel(): void;
}

/** setTimeout takes a signed 32-bit number and fires at once above it: 24.8 days. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
  setTimer(ms, fn) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      const step = Math.min(left, LONGEST_TIMEOUT_MS);
      timer = setTimeout(() => (left > step ? wait(left - step) : fn()), step);
    };
    wait(ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** `sleep` for any clock that has timers. */
export function sleepOn(
  clock: Pick<Clock, "setTimer">,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    const abort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    if (signal === undefined) return;
    // Many may sleep on one signal, such as that of a process' end; each lets go of it when it wakes.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", abort, { once: true });
  });
}
