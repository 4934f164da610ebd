import type { Clock } from "@lanekeeper/service";

/** Lets a loop sleep until somebody has something for it, or a time has passed. */
export class Wakeup {
  readonly #clock: Pick<Clock, "setTimer">;
  #isWanted = false;
  #wake: (() => void) | undefined;

  constructor(clock: Pick<Clock, "setTimer">) {
    this.#clock = clock;
  }

  /** Ends the sleep, or keeps the next one from beginning. */
  wake(): void {
    this.#isWanted = true;
    this.#wake?.();
  }

  /** Resolves after `ms`, or as soon as it was woken since the last sleep. */
  async sleep(ms: number): Promise<void> {
    if (!this.#isWanted) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(ms, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#isWanted = false;
  }
}
