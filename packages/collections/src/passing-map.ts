/**
 * A map that lives long and that values pass through, such as that of the calls under way.
 *
 * V8 makes a new table for a `Map` or `Set` each time so many entries were added or removed, and leaves the old one
 * with what stood in it and a reference to the new one (`OrderedHashTable::Rehash`, `SetNextTable`:
 * https://github.com/v8/v8/blob/11.3.244.8/src/objects/ordered-hash-table.cc). Once such a table has come to the old
 * generation, all tables after it are held by it until the old generation is collected, whoever else has forgotten
 * them, and with each all that it held: what should have died in the young generation is copied twice and kept. In
 * a busy service that was an eighth of all it allocated. So the tables have boxes, which are emptied when their
 * values go.
 */
export class PassingMap<K, V> {
  readonly #boxes = new Map<K, { value: V | undefined }>();

  get size(): number {
    return this.#boxes.size;
  }

  has(key: K): boolean {
    return this.#boxes.has(key);
  }

  get(key: K): V | undefined {
    return this.#boxes.get(key)?.value;
  }

  /** A key that is there keeps its place among the others. */
  set(key: K, value: V): void {
    const box = this.#boxes.get(key);
    if (box === undefined) this.#boxes.set(key, { value });
    else box.value = value;
  }

  delete(key: K): boolean {
    const box = this.#boxes.get(key);
    if (box !== undefined) box.value = undefined;
    return this.#boxes.delete(key);
  }

  clear(): void {
    for (const box of this.#boxes.values()) box.value = undefined;
    this.#boxes.clear();
  }

  /** In the order in which they were added; whoever goes through them may add and delete meanwhile. */
  keys(): IterableIterator<K> {
    return this.#boxes.keys();
  }

  *values(): IterableIterator<V> {
    for (const box of this.#boxes.values()) yield box.value as V;
  }

  *entries(): IterableIterator<[K, V]> {
    for (const [key, box] of this.#boxes) yield [key, box.value as V];
  }
}
