import { type Clock, linkedSignal } from "@lanekeeper/service";

/** How long a call may take. */
export interface Patience {
  /** Longest silence, before anything was heard and between. */
  readonly silenceMs: number;
  /** All of it, whatever is heard. */
  readonly callMs: number;
}

/** Aborts when nothing was heard for a while, and when the whole takes too long. */
export interface SilenceGuard {
  readonly signal: AbortSignal;
  /** What took too long, in words, once that has aborted. */
  readonly tooLate: () => string | undefined;
  /** Something was heard. */
  readonly heard: () => void;
  readonly stop: () => void;
}

/** Guards a call that ends with `outer`. */
export function silenceGuard(
  { silenceMs, callMs }: Patience,
  outer: AbortSignal,
  clock: Clock,
): SilenceGuard {
  const linked = linkedSignal(outer);
  let tooLate: string | undefined;
  const expire = (why: string) => {
    tooLate ??= why;
    linked.abort(new Error(why));
  };
  let heardMs = clock.monotonicMs();
  // Hearing something sets no timer: there are hundreds of chunks a second.
  const listen = (forMs: number) =>
    clock.setTimer(forMs, () => {
      const leftMs = heardMs + silenceMs - clock.monotonicMs();
      if (leftMs > 0) silence = listen(leftMs);
      else expire(`was silent for ${silenceMs} ms`);
    });
  let silence = listen(silenceMs);
  const whole = clock.setTimer(callMs, () =>
    expire(`had not said all after ${callMs} ms, the longest that one call may take`),
  );
  return {
    signal: linked.signal,
    tooLate: () => tooLate,
    heard: () => {
      heardMs = clock.monotonicMs();
    },
    stop: () => {
      silence.cancel();
      whole.cancel();
      linked[Symbol.dispose]();
    },
  };
}
