import type { RateLimit } from "./rate-limit.ts";

const MINUTE_MS = 60_000;

/** How a bucket stands for one who asks. */
export interface BucketLevel {
  readonly limit: RateLimit;
  /** Whole requests that may come now. */
  readonly remaining: number;
  /** Until it is full again. */
  readonly resetMs: number;
  /** Until there is room for one request; 0: there is. */
  readonly waitMs: number;
}

/**
 * Buckets by name, each one number: when it will be full again (the generic cell rate algorithm, as
 * https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm has it). A full bucket is forgotten; past
 * the bound the one that was used longest ago is, which gives it at most a burst.
 */
export class Buckets {
  readonly #fullAtMs = new Map<string, number>();
  readonly #maxBuckets: number;

  constructor(maxBuckets: number) {
    this.#maxBuckets = maxBuckets;
  }

  get size(): number {
    return this.#fullAtMs.size;
  }

  /**
   * Looks, and takes nothing. For who would wait, up to `waitsMs`: behind those who wait already.
   */
  level(name: string, limit: RateLimit, nowMs: number, waitsMs = 0): BucketLevel {
    const perRequestMs = MINUTE_MS / limit.requestsPerMinute;
    const wholeMs = perRequestMs * limit.burst;
    // The limit may have been another when it was last taken from.
    const emptyMs = Math.min(this.#missingMs(name, nowMs), wholeMs + waitsMs);
    const room = (wholeMs - emptyMs) / perRequestMs;
    // A hair of rounding is no reason to refuse.
    const remaining = Math.max(0, Math.floor(room + 1e-9));
    const waitMs = remaining >= 1 ? 0 : perRequestMs * (1 - room);
    return { limit, remaining, resetMs: emptyMs, waitMs };
  }

  /** Takes one request, whether or not there was room; tells how it stands then. */
  take(name: string, limit: RateLimit, nowMs: number, waitsMs = 0): BucketLevel {
    const { resetMs } = this.level(name, limit, nowMs, waitsMs);
    this.#fullAtMs.delete(name);
    this.#fullAtMs.set(name, nowMs + resetMs + MINUTE_MS / limit.requestsPerMinute);
    this.#forget(nowMs);
    return this.level(name, limit, nowMs, waitsMs);
  }

  #missingMs(name: string, nowMs: number): number {
    return Math.max(0, (this.#fullAtMs.get(name) ?? nowMs) - nowMs);
  }

  /** The Map keeps the order of use. Two are looked at for each one that is added: it shrinks. */
  #forget(nowMs: number): void {
    let looked = 0;
    for (const [name, fullAtMs] of this.#fullAtMs) {
      const isOver = this.#fullAtMs.size > this.#maxBuckets;
      if (fullAtMs <= nowMs || isOver) this.#fullAtMs.delete(name);
      looked += 1;
      if (looked >= 2) return;
    }
  }
}
