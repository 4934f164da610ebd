import { slowConsumer } from "@lanekeeper/rpc";
import type { Clock, ClockTimer } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import type { Batch, FeedListener } from "./feed.ts";

/** What wakes a watcher: a batch, or silence for so long that it should show life. */
export type Arrival =
  | { readonly kind: "batch"; readonly batch: Batch }
  | { readonly kind: "silence" };

/**
 * The bounded queue between the feed and one watcher. Batches without a change for the watcher are
 * kept too, since they move its token, but never more than one in a row.
 */
export class Subscription implements FeedListener {
  readonly rotationsOnly: boolean;
  readonly #queue: Batch[] = [];
  readonly #clock: Clock;
  readonly #concerns: (batch: Batch) => Batch;
  readonly #bookmarkMs: number;
  #buffered = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(
    clock: Clock,
    concerns: (batch: Batch) => Batch,
    bookmarkMs: number = LIMITS.bookmarkEveryMs,
    rotationsOnly = false,
  ) {
    this.rotationsOnly = rotationsOnly;
    this.#clock = clock;
    this.#concerns = concerns;
    this.#bookmarkMs = bookmarkMs;
  }

  batch(batch: Batch): void {
    const own = this.#concerns(batch);
    const last = this.#queue.at(-1);
    if (own.changes.length === 0 && last?.changes.length === 0) this.#queue.pop();
    this.#queue.push(own);
    this.#buffered += own.changes.length;
    if (this.#buffered > LIMITS.maxSubscriberBuffer) {
      const bound = String(LIMITS.maxSubscriberBuffer);
      this.fail(slowConsumer(`more than ${bound} changes waited for the watcher to read`));
    }
    // A batch that only moves the token wakes nobody: the next change or bookmark takes it along.
    if (own.changes.length > 0) this.#wake?.();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#queue.length = 0;
    this.#wake?.();
  }

  /** The next batch with changes, or silence. @throws what failed the subscription, the signal's reason */
  async next(signal: AbortSignal): Promise<Arrival> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const batch = this.#take();
      if (batch !== undefined) return { kind: "batch", batch };
      if (!(await this.#woken(signal))) return this.#silence();
    }
  }

  /** Skips to the first batch with changes; what only moves the token stays for `#silence`. */
  #take(): Batch | undefined {
    const index = this.#queue.findIndex(({ changes }) => changes.length > 0);
    if (index === -1) return undefined;
    const [batch] = this.#queue.splice(0, index + 1).slice(index);
    this.#buffered -= batch?.changes.length ?? 0;
    return batch;
  }

  #silence(): Arrival {
    const batch = this.#queue.shift();
    return batch === undefined ? { kind: "silence" } : { kind: "batch", batch };
  }

  /** False once nothing came for as long as a stream may be silent. */
  #woken(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: ClockTimer | undefined;
      const settle = (woken: boolean) => {
        timer?.cancel();
        signal.removeEventListener("abort", abort);
        this.#wake = undefined;
        resolve(woken);
      };
      const abort = () => settle(true);
      timer = this.#clock.setTimer(this.#bookmarkMs, () => settle(false));
      signal.addEventListener("abort", abort, { once: true });
      this.#wake = () => settle(true);
    });
  }
}
