import { isUnavailable } from "@lanekeeper/postgres";
import type { Clock, Log } from "@lanekeeper/service";

export interface Sweep {
  /** For logs. */
  readonly name: string;
  readonly everyMs: number;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface SweeperDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** Does something again and again, with a pause after each time, until it is disposed of. */
export class Sweeper implements AsyncDisposable {
  readonly #ending = new AbortController();
  readonly #loop: Promise<void>;

  constructor(deps: SweeperDeps, sweep: Sweep) {
    this.#loop = this.#run(deps, sweep);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error("sweeper ended"));
    await this.#loop;
  }

  async #run({ clock, log, random }: SweeperDeps, sweep: Sweep): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await clock.sleep(sweep.everyMs * (0.75 + random() / 2), signal);
        await sweep.run(signal);
      } catch (err) {
        if (signal.aborted) return;
        const level = isUnavailable(err) ? "warn" : "error";
        log[level]({ err, sweep: sweep.name }, "a sweep failed; the next one follows");
      }
    }
  }
}
