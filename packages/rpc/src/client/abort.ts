import { PassingSet } from "@lanekeeper/collections";
import { Code } from "../errors/code.ts";
import { RpcError } from "../errors/rpc-error.ts";

/** The error of a call that one of its signals ended: the signal's own where it is one of ours. */
export function abortError(signals: readonly AbortSignal[]): RpcError | undefined {
  const aborted = signals.find((signal) => signal.aborted);
  if (aborted === undefined) return undefined;
  const reason: unknown = aborted.reason;
  if (reason instanceof RpcError) return reason;
  return new RpcError(Code.CANCELLED, "the call was cancelled", { cause: reason });
}

/** Calls `cancel` when one of the signals aborts; the result forgets about them. */
export function onAbort(signals: readonly AbortSignal[], cancel: () => void): () => void {
  const waiting = signals.map((signal) => {
    const waiters = waitersOf(signal);
    return { waiters, place: waiters.add(cancel) };
  });
  return () => {
    for (const { waiters, place } of waiting) waiters.delete(place);
  };
}

const waitersBySignal = new WeakMap<AbortSignal, PassingSet<() => void>>();

/**
 * All calls under one signal share one listener: a handler may well make dozens of calls at once, and
 * Node 20 warns of a leak at the eleventh listener of a signal.
 */
function waitersOf(signal: AbortSignal): PassingSet<() => void> {
  const known = waitersBySignal.get(signal);
  if (known !== undefined) return known;
  const waiters = new PassingSet<() => void>();
  waitersBySignal.set(signal, waiters);
  const cancelAll = () => {
    for (const cancel of [...waiters.values()]) cancel();
  };
  signal.addEventListener("abort", cancelAll, { once: true });
  return waiters;
}

/** Waits; false: one of the signals aborted. */
export function waited(ms: number, signals: readonly AbortSignal[]): Promise<boolean> {
  if (abortError(signals) !== undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (isWhole: boolean): void => {
      clearTimeout(timer);
      forget();
      resolve(isWhole);
    };
    const timer = setTimeout(end, ms, true);
    const forget = onAbort(signals, () => end(false));
  });
}
