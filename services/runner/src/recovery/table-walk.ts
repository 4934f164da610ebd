/** Page by page through a table, over as many sweeps as it takes; from its end on to its beginning again. */
export class TableWalk<Place> {
  readonly #first: Place;
  #after: Place;

  constructor(first: Place) {
    this.#first = first;
    this.#after = first;
  }

  /**
   * Takes the next page: `take` is given the place that it follows, and gives its rows in order. False: the
   * table's end was reached.
   */
  async next(
    pageRows: number,
    take: (after: Place) => Promise<readonly Place[]>,
  ): Promise<boolean> {
    const page = await take(this.#after);
    const last = page.at(-1);
    const isMore = last !== undefined && page.length >= pageRows;
    this.#after = isMore ? last : this.#first;
    return isMore;
  }
}
