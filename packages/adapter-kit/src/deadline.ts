import type { EdgeCallOptions } from "@lanekeeper/client";

/** How an event is taken. */
export interface TakeOptions {
  /** The label of its request, for logs; it dedupes nothing. */
  readonly requestId: string;
  /** From now until the provider must have been answered. What is not done by then is thrown. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** The options of calls that all end at one moment. */
export class Deadline {
  readonly #options: TakeOptions;
  readonly #endMs: number;

  constructor(options: TakeOptions) {
    this.#options = options;
    this.#endMs = performance.now() + options.withinMs;
  }

  /** Of a call that begins now. */
  get call(): EdgeCallOptions {
    const { requestId, signal } = this.#options;
    const timeoutMs = Math.max(1, Math.ceil(this.#endMs - performance.now()));
    return { requestId, timeoutMs, ...(signal === undefined ? {} : { signal }) };
  }
}
