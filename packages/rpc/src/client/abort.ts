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
  for (const signal of signals) signal.addEventListener("abort", cancel, { once: true });
  return () => {
    for (const signal of signals) signal.removeEventListener("abort", cancel);
  };
}

/** One signal for several; undefined for none. */
export function anySignal(signals: readonly AbortSignal[]): AbortSignal | undefined {
  return signals.length > 1 ? AbortSignal.any([...signals]) : signals[0];
}
