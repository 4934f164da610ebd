import { quantilesOf } from "../shared/ratios.ts";

/** How long subscribers waited for changes. */
export class Lags {
  readonly #asked = new Map<string, number>();
  readonly #ms: number[] = [];

  ask(sessionKey: string, generation: bigint, atMs: number): void {
    this.#asked.set(`${sessionKey} ${generation}`, atMs);
  }

  /** What was asked for before the measurement is not counted. */
  told(sessionKey: string, generation: bigint, atMs: number): void {
    const askedMs = this.#asked.get(`${sessionKey} ${generation}`);
    if (askedMs !== undefined) this.#ms.push(atMs - askedMs);
  }

  get count(): number {
    return this.#ms.length;
  }

  /** Between 0 and 1; in milliseconds. */
  percentile(part: number): number {
    return quantilesOf(this.#ms)(part);
  }
}
