/** A signal that is aborted after a while, or with another one; and the end of its timer. */
export interface BoundedSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * AbortSignal.timeout and AbortSignal.any by hand: on Node 20 a fetch was seen to go on reading for
 * minutes after theirs was due.
 */
export function boundedSignal(ms: number, also?: AbortSignal): BoundedSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error(`no end within ${ms} ms`));
  const timer = setTimeout(abort, ms);
  also?.addEventListener("abort", abort, { once: true });
  if (also?.aborted === true) abort();
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      also?.removeEventListener("abort", abort);
    },
  };
}
