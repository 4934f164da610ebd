import { linkedSignal } from "./linked-signal.ts";

/**
 * A signal that aborts with `signal`, with the same reason, or after `ms` milliseconds, with a
 * `TimeoutError`. It keeps no process alive, and leaves nothing with `signal` once it has aborted.
 *
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])` would say the same, and in Node 20 does not do it:
 * nothing holds the timeout there but the timer's weak reference, so that the first collection of
 * memory takes it, and what it bounds waits for ever.
 */
export function boundedSignal(signal: AbortSignal, ms: number): AbortSignal {
  const linked = linkedSignal(signal);
  const expire = (): void =>
    linked.abort(new DOMException(`not done within ${ms} ms`, "TimeoutError"));
  const timer = setTimeout(expire, ms).unref();
  const end = (): void => {
    clearTimeout(timer);
    linked[Symbol.dispose]();
  };
  linked.signal.addEventListener("abort", end, { once: true });
  if (linked.signal.aborted) end();
  return linked.signal;
}
