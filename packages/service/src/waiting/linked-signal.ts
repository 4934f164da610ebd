import { setMaxListeners } from "node:events";

/** A signal that aborts with the first of others, until it is let go, or by itself. Disposal lets go. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  /** Aborts it alone. */
  abort(reason?: unknown): void;
}

/**
 * A signal that aborts with the first of `sources` that does, for its reason. To be disposed of once nobody
 * waits any more: then the sources hold nothing of it.
 *
 * `AbortSignal.any` says the same. In Node 20 whoever listens to such a signal, and does not stop to, keeps it
 * for ever, with all that hangs on it: HTTP clients listen to the signal of a request and leave it at that.
 */
export function linkedSignal(...sources: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController();
  const follows = sources.map((source) => {
    const follow = (): void => controller.abort(source.reason);
    return { source, follow };
  });
  for (const { source, follow } of follows) {
    // A process has one signal for its end, and many that follow it.
    setMaxListeners(0, source);
    source.addEventListener("abort", follow, { once: true });
    if (source.aborted) follow();
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => {
      for (const { source, follow } of follows) source.removeEventListener("abort", follow);
    },
  };
}
