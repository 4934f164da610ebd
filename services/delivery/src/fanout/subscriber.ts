import { slowConsumer } from "@lanekeeper/rpc";
import type { Clock, ClockTimer } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";
import type { Told } from "./told.ts";

export type SubscriberLimits = Pick<Limits, "subscriberMessages" | "subscriberBytes">;

/**
 * The bounded queue between the fan-out and one subscriber. Whoever tells is never held up: a
 * subscriber that leaves too much unread is dropped, and goes on from its last token.
 */
export class Subscriber {
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #limits: SubscriberLimits;
  #first: Iterator<Told> | undefined;
  #queue: Told[] = [];
  #bytes = 0;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(clock: Pick<Clock, "setTimer">, limits: SubscriberLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0 && this.#first === undefined && this.#failure === undefined;
  }

  /** Comes before all that waits and all that is pushed from now on. */
  begin(first: Iterator<Told>): void {
    this.#first = first;
    this.#wake?.();
  }

  push(told: Told): void {
    if (this.#failure !== undefined) return;
    const { subscriberMessages, subscriberBytes } = this.#limits;
    this.#queue.push(told);
    this.#bytes += told.bytes;
    if (this.#queue.length > subscriberMessages) {
      return this.fail(slowConsumer(`more than ${subscriberMessages} messages waited to be read`));
    }
    if (this.#bytes > subscriberBytes) {
      return this.fail(slowConsumer(`more than ${subscriberBytes} bytes waited to be read`));
    }
    this.#wake?.();
  }

  /** What waits is dropped: its reader has to begin at its last token anyhow. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#queue = [];
    this.#wake?.();
  }

  /**
   * The next message; undefined once none came for so long.
   * @throws what failed the subscriber, the signal's reason
   */
  async next(silenceMs: number, signal: AbortSignal): Promise<Told | undefined> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const told = this.#take();
      if (told !== undefined) return told;
      if (!(await this.#woken(silenceMs, signal))) return undefined;
    }
  }

  #take(): Told | undefined {
    const first = this.#first?.next();
    if (first?.done === false) return first.value;
    this.#first = undefined;
    const told = this.#queue.shift();
    this.#bytes -= told?.bytes ?? 0;
    return told;
  }

  #woken(silenceMs: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: ClockTimer | undefined;
      const settle = (isWoken: boolean): void => {
        timer?.cancel();
        signal.removeEventListener("abort", onAbort);
        this.#wake = undefined;
        resolve(isWoken);
      };
      const onAbort = (): void => settle(true);
      timer = this.#clock.setTimer(silenceMs, () => settle(false));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake = () => settle(true);
    });
  }
}
