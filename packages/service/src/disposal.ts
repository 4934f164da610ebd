/**
 * What a process has opened, closed in reverse order: the last thing opened leans on those before it.
 * Node 20 has no AsyncDisposableStack; this is the part of it that we use.
 */
export class Disposal implements AsyncDisposable {
  readonly #undo: (() => unknown)[] = [];
  #disposed: Promise<void> | undefined;

  /** Closes `resource` later; gives it back. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Runs `undo` later, awaiting a promise that it gives. */
  defer(undo: () => unknown): void {
    if (this.#disposed)
      throw new Error("already disposed: what is opened now would never be closed");
    this.#undo.push(undo);
  }

  /**
   * Closes everything, one after the other, also what comes after a failure. A second call waits for
   * the first. Throws the one error, or an AggregateError of several, at the end.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    const errors: unknown[] = [];
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1)
      throw new AggregateError(errors, `${errors.length} resources failed to close`);
  }
}
