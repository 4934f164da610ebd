import {
  BatcherClosedError,
  BatcherOverloadedError,
  BatchContractError,
  Rejected,
} from "./batcher-errors.ts";
import { ReadyQueue, type Waiting } from "./ready-queue.ts";

export type BatcherOptions<In, Out> = {
  /**
   * Runs one statement for all items and resolves to their answers in the same order; `new Rejected(error)`
   * rejects one call. A rejection must mean that nothing took effect, unless it is an outage.
   */
  run(batch: readonly In[]): Promise<readonly (Out | Rejected)[]>;
  /** True for errors that another attempt would meet too, such as a lost database. */
  isOutage(error: unknown): boolean;
  /**
   * Calls of one key are sent one after another, in the order of their arrival: no batch holds a key
   * twice, and no two batches in flight hold the same. Without it all calls are independent.
   */
  keyOf?: (item: In) => string;
  /**
   * Calls of one key that follow each other and are of the same lot may go in one batch, in their order;
   * places that are left when each key has one are filled with them. Undefined: this one goes alone.
   */
  lotOf?: (item: In) => string | undefined;
  /** Most items of one statement. */
  maxBatch: number;
  /** Most calls that wait; further ones are refused. */
  maxWaiting: number;
  /**
   * Most statements in flight. Default 1, which makes the largest batches. A statement beside others
   * waits until it is as large as all of them together (a lot counts as one), so that few calls go at once
   * and many go in few statements.
   */
  concurrency?: number;
  /** Puts off the first flush after a lull. Default setImmediate: what arrived in the same turn of the event loop goes together. */
  defer?: (flush: () => void) => void;
};

/** Whether a caller has given up, and why. Any AbortSignal tells it. */
export type AbortState = Pick<AbortSignal, "aborted" | "reason">;

type Call<In, Out> = Waiting & {
  item: In;
  resolve: (answer: Out) => void;
  reject: (reason: unknown) => void;
};

/**
 * Group commit: calls that arrive while a statement is in flight go together in the next one, so that one
 * round trip and one commit serve them all.
 *
 * A batch that fails for another reason than an outage is run again item by item, so that one poisonous
 * item spoils no other.
 */
export class Batcher<In, Out> {
  readonly #options: BatcherOptions<In, Out>;
  readonly #queue: ReadyQueue<Call<In, Out>>;
  readonly #defer: (flush: () => void) => void;
  #running = 0;
  #flushPlanned = false;
  #closed: PromiseWithResolver | undefined;

  constructor(options: BatcherOptions<In, Out>) {
    this.#options = options;
    this.#queue = new ReadyQueue();
    this.#defer = options.defer ?? setImmediate;
  }

  /** Calls that wait to be sent, for metrics. */
  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Resolves to the answer for one item. A call whose signal is aborted when its turn comes is not
   * sent and rejects then; one that was sent is answered whatever happens. Throws `BatcherOverloadedError`,
   * `BatcherClosedError`, the signal's reason, and what `run` says.
   */
  submit(item: In, options: { signal?: AbortState | undefined } = {}): Promise<Out> {
    const { signal } = options;
    if (this.#closed !== undefined) return Promise.reject(new BatcherClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#queue.size >= this.#options.maxWaiting) {
      return Promise.reject(new BatcherOverloadedError(this.#options.maxWaiting));
    }
    return new Promise<Out>((resolve, reject) => {
      this.#queue.add(this.#makeCall(item, signal, resolve, reject));
      this.#planFlush();
    });
  }

  /** Refuses new calls and resolves once those that were accepted are answered. */
  close(): Promise<void> {
    this.#closed ??= withResolver();
    this.#settleClose();
    return this.#closed.promise;
  }

  #makeCall(
    item: In,
    signal: AbortState | undefined,
    resolve: (answer: Out) => void,
    reject: (reason: unknown) => void,
  ): Call<In, Out> {
    return {
      item,
      key: this.#options.keyOf?.(item),
      lot: this.#options.lotOf?.(item),
      isAbandoned: () => {
        if (signal?.aborted !== true) return false;
        reject(signal.reason);
        return true;
      },
      resolve,
      reject,
    };
  }

  #planFlush(): void {
    if (this.#flushPlanned || this.#running >= this.#concurrency) return;
    this.#flushPlanned = true;
    this.#defer(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  get #concurrency(): number {
    return this.#options.concurrency ?? 1;
  }

  #flush(): void {
    while (this.#running < this.#concurrency) {
      if (this.#queue.ready < Math.min(this.#queue.out, this.#options.maxBatch)) break;
      const batch = this.#queue.take(this.#options.maxBatch);
      if (batch.length === 0) break;
      void this.#send(batch);
    }
    this.#settleClose();
  }

  async #send(batch: readonly Call<In, Out>[]): Promise<void> {
    this.#running += 1;
    await this.#attempt(batch);
    this.#running -= 1;
    this.#flush();
  }

  async #attempt(batch: readonly Call<In, Out>[]): Promise<void> {
    try {
      const answers = await this.#run(batch);
      for (const [index, call] of batch.entries())
        this.#answer(call, answers[index] as Out | Rejected);
    } catch (error) {
      const whole =
        batch.length === 1 || error instanceof BatchContractError || this.#options.isOutage(error);
      if (whole) for (const call of batch) this.#answer(call, new Rejected(error));
      else await this.#oneByOne(batch);
    }
  }

  /** An outage on the way answers the rest: they would wait for it one after another. */
  async #oneByOne(batch: readonly Call<In, Out>[]): Promise<void> {
    let outage: Rejected | undefined;
    for (const call of batch) {
      const answer =
        outage ?? (await this.#run([call]).then(([only]) => only as Out | Rejected, rejected));
      if (answer instanceof Rejected && this.#options.isOutage(answer.error)) outage ??= answer;
      this.#answer(call, answer);
      // Another slot may be free for what waited behind this call.
      this.#planFlush();
    }
  }

  async #run(batch: readonly Call<In, Out>[]): Promise<readonly (Out | Rejected)[]> {
    const answers = await this.#options.run(batch.map(({ item }) => item));
    if (answers.length !== batch.length) throw new BatchContractError(batch.length, answers.length);
    return answers;
  }

  #answer(call: Call<In, Out>, answer: Out | Rejected): void {
    if (answer instanceof Rejected) call.reject(answer.error);
    else call.resolve(answer);
    this.#queue.release(call);
  }

  #settleClose(): void {
    if (this.#running === 0 && this.#queue.size === 0) this.#closed?.resolve();
  }
}

export function createBatcher<In, Out>(options: BatcherOptions<In, Out>): Batcher<In, Out> {
  return new Batcher(options);
}

function rejected(error: unknown): Rejected {
  return new Rejected(error);
}

type PromiseWithResolver = { promise: Promise<void>; resolve: () => void };

function withResolver(): PromiseWithResolver {
  let resolve = () => undefined as void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
