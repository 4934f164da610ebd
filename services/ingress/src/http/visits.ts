import { finishWithin } from "@lanekeeper/service";

/** Longer than it is waited for that the runner records that a caller was cut off. */
const LAST_NOTES_MS = 1_500;

/**
 * The requests that are not over yet. One goes on behind its answer: the runner and the request log are told what
 * became of it, before what leads to them is closed.
 */
export class Visits {
  #open = 0;
  #whenNone: (() => void) | undefined;

  began(): void {
    this.#open += 1;
  }

  ended(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#whenNone?.();
  }

  /** Resolves when none is left, or some still hang. Nobody may come in any more. */
  async over(): Promise<void> {
    await finishWithin(LAST_NOTES_MS, () => this.#none());
  }

  #none(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenNone = resolve;
    });
  }
}
