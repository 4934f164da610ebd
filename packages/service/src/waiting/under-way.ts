/**
 * Work that nobody waits for while a process lives. Before what it leans on is closed, such as the
 * database, `settled` waits for it.
 */
export class UnderWay {
  readonly #work = new Set<Promise<void>>();

  /** Its failure is its own affair: whoever begins it says what becomes of that. */
  add(work: Promise<unknown>): void {
    const done: Promise<void> = work.then(noop, noop).then(() => void this.#work.delete(done));
    this.#work.add(done);
  }

  /** Resolves once there is none, also of what was begun meanwhile. */
  async settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}

function noop(): void {}
