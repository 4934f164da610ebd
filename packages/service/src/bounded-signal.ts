import { setMaxListeners } from "node:events";

/**
 * A signal that aborts with `signal`, with the same reason, or after `ms` milliseconds, with a
 * `TimeoutError`. It keeps no process alive, and leaves nothing with `signal` once it has aborted.
 *
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])` would say the same, and in Node 20 does not do it:
 * nothing holds the timeout there but the timer's weak reference, so that the first collection of
 * memory takes it, and what it bounds waits for ever.
 */
export function boundedSignal(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController();
  const follow = (): void => end(signal.reason);
  const expire = (): void => end(new DOMException(`not done within ${ms} ms`, "TimeoutError"));
  const timer = setTimeout(expire, ms).unref();
  const end = (reason: unknown): void => {
    clearTimeout(timer);
    signal.removeEventListener("abort", follow);
    controller.abort(reason);
  };
  // A process has one signal for its end, and many that follow it.
  setMaxListeners(0, signal);
  signal.addEventListener("abort", follow, { once: true });
  if (signal.aborted) follow();
  return controller.signal;
}
