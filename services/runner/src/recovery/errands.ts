import { isUnavailable } from "@lanekeeper/postgres";
import { isRetryable } from "@lanekeeper/rpc";
import { backoffMs } from "@lanekeeper/service";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";

const BACKOFF = { baseMs: 100, maxMs: 10_000 };

/** Something to be done behind a change elsewhere. */
export interface Errand {
  /** What its log lines tell. */
  readonly about: object;
  /** Why it matters, where it fails. */
  readonly undone: string;
  /** @throws what ails it; it is tried again where that may pass */
  run(signal: AbortSignal): Promise<void>;
}

/** One errand after the other, since an operator's script may make many. */
export class Errands {
  readonly #deps: Pick<RunnerDeps, "clock" | "log">;
  readonly #waiting: Errand[] = [];
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(deps: Pick<RunnerDeps, "clock" | "log">) {
    this.#deps = deps;
  }

  add(errand: Errand): void {
    if (this.#ending.signal.aborted) return;
    if (this.#waiting.length >= LIMITS.errandsWaiting) {
      this.#deps.log.warn(errand.about, `too many changes wait: ${errand.undone}`);
      return;
    }
    this.#waiting.push(errand);
    this.#running ??= this.#runAll();
  }

  /** Begins no more; resolves when none is under way. */
  async stop(): Promise<void> {
    this.#ending.abort(new Error("the replica ends"));
    await this.#running;
  }

  async #runAll(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#run(next);
    this.#running = undefined;
  }

  #next(): Errand | undefined {
    return this.#ending.signal.aborted ? undefined : this.#waiting.shift();
  }

  /** Never rejects. */
  async #run(errand: Errand): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#ending;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        return await errand.run(signal);
      } catch (err) {
        if (signal.aborted) return;
        const isLater = isUnavailable(err) || isRetryable(err);
        log[isLater ? "info" : "error"]({ err, ...errand.about }, errand.undone);
        if (!isLater) return;
      }
      await clock.sleep(backoffMs(attempt, BACKOFF) + 1, signal).catch(() => undefined);
    }
  }
}
