/** The answer to one call of a batch whose other calls went well. */
export class Rejected {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** More calls wait than the bound allows; nothing of this one was sent. */
export class BatcherOverloadedError extends Error {
  override readonly name = "BatcherOverloadedError";
  /** The bound that was met. */
  readonly maxWaiting: number;

  constructor(maxWaiting: number) {
    super(`${maxWaiting} calls already wait for the database (maxWaiting)`);
    this.maxWaiting = maxWaiting;
  }
}

/** The batcher was closed before this call; nothing of it was sent. */
export class BatcherClosedError extends Error {
  override readonly name = "BatcherClosedError";

  constructor() {
    super("the batcher is closed");
  }
}

/** `run` broke its contract: a bug. What the calls did is unknown. */
export class BatchContractError extends Error {
  override readonly name = "BatchContractError";

  constructor(asked: number, answered: number) {
    super(`a batch of ${asked} items got ${answered} answers`);
  }
}
