import type { RpcError } from "../errors/rpc-error.ts";

/** Messages that wait for their reader; beyond this the source is paused, so that the sender waits. */
const HIGH_WATER = 16;
const LOW_WATER = 4;

/** Where messages come from, as far as the reader steers it. */
export interface MessageSource {
  pause(): void;
  resume(): void;
  /** Ends the call; nothing is delivered afterwards. */
  cancel(): void;
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: RpcError): void;
}

/**
 * The messages of a streaming call, to be read once. Leaving the loop (`break`, `return()`) cancels
 * the call at once, also while a `next()` is pending. Reading slowly slows the sender down.
 */
export class MessageStream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #queue: T[] = [];
  readonly #waiters: Waiter<T>[] = [];
  #source: MessageSource | undefined;
  #end: { readonly error: RpcError | undefined } | undefined;
  #paused = false;

  /** Called by the transport, again for every attempt. */
  attach(source: MessageSource): void {
    if (this.#end !== undefined) source.cancel();
    else this.#source = source;
  }

  push(message: T): void {
    if (this.#end !== undefined) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: message });
      return;
    }
    this.#queue.push(message);
    if (this.#queue.length < HIGH_WATER || this.#paused) return;
    this.#paused = true;
    this.#source?.pause();
  }

  /** The stream is over; undefined: it ended well. What is queued is still read. */
  finish(error: RpcError | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#source = undefined;
    const [first, ...rest] = this.#waiters.splice(0);
    if (first !== undefined) this.#settle(first);
    for (const waiter of rest) waiter.resolve(DONE);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (this.#queue.length > 0) resolve({ done: false, value: this.#take() });
      else if (this.#end !== undefined) this.#settle(waiter);
      else this.#waiters.push(waiter);
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const source = this.#source;
    this.#queue.length = 0;
    this.finish(undefined);
    this.#end = { error: undefined };
    source?.cancel();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #take(): T {
    const message = this.#queue.shift() as T;
    if (this.#paused && this.#queue.length <= LOW_WATER) {
      this.#paused = false;
      this.#source?.resume();
    }
    return message;
  }

  /** The error is thrown once; whoever asks again learns that the stream is over. */
  #settle(waiter: Waiter<T>): void {
    const error = this.#end?.error;
    this.#end = { error: undefined };
    if (error === undefined) waiter.resolve(DONE);
    else waiter.reject(error);
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };
