/** Where a value stands in a set, by which it is taken out. */
export interface Place<T> {
  value: T | undefined;
}

/** A set that lives long and that values pass through: why it is no `Set` is told with `PassingMap`. */
export class PassingSet<T> {
  readonly #places = new Set<Place<T>>();

  get size(): number {
    return this.#places.size;
  }

  /** The value stands there as often as it was added. */
  add(value: T): Place<T> {
    const place: Place<T> = { value };
    this.#places.add(place);
    return place;
  }

  /** False: it was taken out before. */
  delete(place: Place<T>): boolean {
    place.value = undefined;
    return this.#places.delete(place);
  }

  /** Takes out those that are wanted, in the order in which they were added, and at most so many. */
  take(isWanted: (value: T) => boolean, most: number): T[] {
    const taken: T[] = [];
    for (const place of this.#places) {
      if (taken.length >= most) break;
      const value = place.value as T;
      if (!isWanted(value)) continue;
      taken.push(value);
      this.delete(place);
    }
    return taken;
  }

  /** In the order in which they were added; whoever goes through them may add and delete meanwhile. */
  *values(): IterableIterator<T> {
    for (const place of this.#places) yield place.value as T;
  }
}
