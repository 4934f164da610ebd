import { linkedSignal } from "@lanekeeper/service";

/** Aborts when nothing was heard for a while. */
export interface SilenceGuard {
  readonly signal: AbortSignal;
  /** Whether it was the silence that aborted. */
  readonly expired: () => boolean;
  /** Something was heard. */
  readonly heard: () => void;
  readonly stop: () => void;
}

/** Guards a call that may be silent for `limitMs` and ends with `outer`. */
export function silenceGuard(limitMs: number, outer: AbortSignal): SilenceGuard {
  const linked = linkedSignal(outer);
  let expired = false;
  const expire = () => {
    expired = true;
    linked.abort(new Error(`nothing was heard for ${limitMs} ms`));
  };
  const timer = setTimeout(expire, limitMs);
  return {
    signal: linked.signal,
    expired: () => expired,
    heard: () => timer.refresh(),
    stop: () => {
      clearTimeout(timer);
      linked[Symbol.dispose]();
    },
  };
}
