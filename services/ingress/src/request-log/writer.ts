import type { Clock, ClockTimer, Log } from "@lanekeeper/service";
import { FairShare } from "../fair-share.ts";
import type { IngressLimits } from "../limits.ts";
import type { RequestEntry } from "./entry.ts";
import type { RequestStore } from "./store.ts";

/** What the writer needs. */
export interface WriterOptions {
  readonly store: Pick<RequestStore, "insert">;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Pick<
    IngressLimits,
    "maxBufferedRequests" | "requestLogBatchSize" | "requestLogFlushMs"
  >;
  /** Told how many entries are given up. */
  readonly onDropped: (count: number) => void;
}

/**
 * Writes the request log in batches, off the path of the requests. A batch that fails is tried again
 * until there is no room left: then the newest entries are dropped and counted, those of who has many
 * there first. The journal and the
 * turns, which are not written here, lose nothing by it.
 */
export class RequestLogWriter {
  readonly #options: WriterOptions;
  readonly #waiting: RequestEntry[] = [];
  /** Whose they are. */
  readonly #room: FairShare;
  #timer: ClockTimer | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#room = new FairShare(options.limits.maxBufferedRequests);
  }

  /** Never waits and never throws. */
  add(entry: RequestEntry): void {
    if (!this.#room.take(entry.tenant)) {
      this.#options.onDropped(1);
      return;
    }
    this.#waiting.push(entry);
    this.#schedule();
  }

  /** Writes what waits, once; what the store refuses then is dropped. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    while (this.#waiting.length > 0 && (await this.#writeBatch()));
    this.#timer?.cancel();
    if (this.#waiting.length > 0) this.#options.onDropped(this.#waiting.length);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#writing !== undefined) return;
    const { clock, limits } = this.#options;
    this.#timer = clock.setTimer(limits.requestLogFlushMs, () => {
      this.#timer = undefined;
      this.#writing = this.#writeAll().finally(() => {
        this.#writing = undefined;
        if (this.#waiting.length > 0) this.#schedule();
      });
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 && (await this.#writeBatch()));
  }

  /** False: the store did not take it, and it waits again. */
  async #writeBatch(): Promise<boolean> {
    const batch = this.#waiting.slice(0, this.#options.limits.requestLogBatchSize);
    try {
      await this.#options.store.insert(batch);
      this.#waiting.splice(0, batch.length);
      for (const { tenant } of batch) this.#room.release(tenant);
      return true;
    } catch (err) {
      this.#options.log.warn(
        { err, entries: batch.length },
        "the request log could not be written",
      );
      return false;
    }
  }
}
