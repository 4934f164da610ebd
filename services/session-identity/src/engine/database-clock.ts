/** Answers that were on the way for longer tell less; after so long the last one counts, whatever it says. */
const RENEW_MS = 5_000;

/**
 * The database's clock between two of its answers, by this process' monotonic clock. An answer is under way
 * for a while, so what it says lies behind: of those of the last seconds the one that is ahead most counts.
 */
export class DatabaseClock {
  /** Of `performance.now()`. */
  #aheadMs: number | undefined;
  #notedMs = 0;

  /** What the database has just answered: milliseconds since 1970. */
  note(nowMs: number): void {
    const at = performance.now();
    const aheadMs = nowMs - at;
    const lately = at - this.#notedMs <= RENEW_MS ? this.#aheadMs : undefined;
    if (lately !== undefined && aheadMs < lately) return;
    this.#aheadMs = aheadMs;
    this.#notedMs = at;
  }

  /** Milliseconds since 1970, whole; undefined before the first answer. */
  get nowMs(): number | undefined {
    return this.#aheadMs === undefined ? undefined : Math.floor(performance.now() + this.#aheadMs);
  }

  /** For when the database was found to say otherwise. */
  forget(): void {
    this.#aheadMs = undefined;
  }
}
