import type { EdgeCall } from "./edge-call.ts";

/** Node's timers take 32 bits; a later deadline is as good as none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What ends a request: its caller, its deadline, or that nobody reads its answer any more. */
export interface Attempt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Watches over a request until it is disposed of. `AbortSignal.any` would do the same, but in Node 20
 * each signal that it makes stays with a caller's signal for as long as that lives.
 */
export function openAttempt({ signal, deadlineMs }: EdgeCall): Attempt {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  const leftMs = deadlineMs - Date.now();
  const timer = leftMs > MAX_TIMER_MS ? undefined : setTimeout(abort, Math.max(0, leftMs));
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      abort();
    },
  };
}

/** What the server is told of the deadline; it never outlives it. */
export function timeoutHeader({ deadlineMs }: EdgeCall): Record<string, string> {
  const leftMs = Math.ceil(deadlineMs - Date.now());
  return leftMs > MAX_TIMER_MS ? {} : { "connect-timeout-ms": String(Math.max(1, leftMs)) };
}
