/** Those attached to the turns of this replica, by turn. */
export class Attachments {
  readonly #counts = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Gives the function that leaves; its answer tells whether nobody else is attached here any more. */
  enter(turnId: string): () => { readonly isLast: boolean } {
    this.#counts.set(turnId, (this.#counts.get(turnId) ?? 0) + 1);
    this.#total += 1;
    return () => {
      const left = (this.#counts.get(turnId) ?? 1) - 1;
      this.#total -= 1;
      if (left === 0) this.#counts.delete(turnId);
      else this.#counts.set(turnId, left);
      return { isLast: left === 0 };
    };
  }
}
