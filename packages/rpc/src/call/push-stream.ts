/** What becomes of a stream whose reader is behind: `full` makes the error that ends it. */
export interface PushStreamOptions {
  /** Values that may wait to be read; Infinity where something else bounds them. */
  readonly limit: number;
  readonly full: () => Error;
}

type Step<T> = IteratorResult<T, undefined>;

interface Waiting<T> {
  readonly resolve: (step: Step<T>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Turns events into the async iterable that a streaming handler returns. A reader that leaves more
 * than `limit` values unread loses the stream with the error of `full`, typically SLOW_CONSUMER, and
 * what was waiting with it: whoever pushes is never held up and memory stays bounded. To be read once.
 */
export class PushStream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #options: PushStreamOptions;
  #queue: T[] = [];
  #waiting: Waiting<T> | undefined;
  #end: { readonly error: unknown } | undefined;
  #closed = false;

  constructor(options: PushStreamOptions) {
    this.#options = options;
  }

  /** False once the stream has ended or its reader has left: pushing more is no use. */
  get open(): boolean {
    return !this.#closed && this.#end === undefined;
  }

  push(value: T): void {
    if (!this.open) return;
    if (this.#waiting !== undefined) {
      this.#take().resolve({ done: false, value });
    } else if (this.#queue.length >= this.#options.limit) {
      this.#queue = [];
      this.fail(this.#options.full());
    } else {
      this.#queue.push(value);
    }
  }

  /** Ends the stream after what is waiting. */
  end(): void {
    this.#finish(undefined);
  }

  /** Fails the stream after what is waiting. */
  fail(error: unknown): void {
    this.#finish(error);
  }

  /** Takes what waits to be read as long as it is wanted, without waiting for more. */
  takeWhile(isWanted: (value: T) => boolean): T[] {
    const end = this.#queue.findIndex((value) => !isWanted(value));
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end);
  }

  next(): Promise<Step<T>> {
    if (this.#queue.length > 0) {
      return Promise.resolve({ done: false, value: this.#queue.shift() as T });
    }
    if (this.#end !== undefined) return this.#last();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<Step<T>> {
    this.#closed = true;
    this.#queue = [];
    this.#finish(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(error: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (this.#waiting === undefined) return;
    const { resolve, reject } = this.#take();
    this.#last().then(resolve, reject);
  }

  #take(): Waiting<T> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) throw new Error("nobody waits");
    return waiting;
  }

  /** The error is thrown once. */
  #last(): Promise<Step<T>> {
    const error = this.#end?.error;
    this.#end = { error: undefined };
    if (error !== undefined) return Promise.reject(error);
    return Promise.resolve({ done: true, value: undefined });
  }
}
