/** What a SIGTERM or SIGINT means: stop in order, the same request once more, or end at once. */
export type SignalVerdict = "stop" | "echo" | "exit";

/**
 * Ctrl-C under `npm start` arrives twice: the terminal signals the whole process group, and npm passes
 * its own copy on, within milliseconds. A person who means it twice is slower than this.
 */
const ECHO_MS = 250;

export class StopSignals {
  #firstMs: number | undefined;

  /** @param nowMs monotonic */
  judge(nowMs: number): SignalVerdict {
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      return "stop";
    }
    return nowMs - this.#firstMs < ECHO_MS ? "echo" : "exit";
  }
}
