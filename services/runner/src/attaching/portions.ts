import { PassingMap } from "@lanekeeper/collections";
import type { Clock, ClockTimer } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";

/** What has something to store. */
export interface Portioned {
  readonly turnId: string;
  flush(): void;
}

/**
 * When what is said reaches the database: at most `streamFlushMs` after it was. All that waits goes at one moment, so
 * that however many turns speak at once are a few statements in that time, and a token costs none of its own.
 */
export class Portions {
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #due = new PassingMap<string, Portioned>();
  #timer: ClockTimer | undefined;

  constructor(clock: Pick<Clock, "setTimer">) {
    this.#clock = clock;
  }

  /** It is flushed with the others. */
  add(one: Portioned): void {
    this.#due.set(one.turnId, one);
    this.#timer ??= this.#clock.setTimer(LIMITS.streamFlushMs, () => this.#flush());
  }

  /** It has nothing to store any more. */
  remove(one: Portioned): void {
    if (this.#due.get(one.turnId) === one) this.#due.delete(one.turnId);
    if (this.#due.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #flush(): void {
    this.#timer = undefined;
    const due = [...this.#due.values()];
    this.#due.clear();
    for (const one of due) one.flush();
  }
}
