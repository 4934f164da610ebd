/** One column of the items that a statement takes: its name in the statement, its type, its value. */
export interface Column<Item> {
  readonly name: string;
  /** Of Postgres; the parameter is an array of it. */
  readonly type: string;
  readonly of: (item: Item, index: number) => unknown;
}

/**
 * The items of a statement as a table `item`, one parameter a column, from `$1` on; `place` is an
 * item's place in the batch, from 1. A single item is a batch of one: there is one statement to get
 * right.
 */
export function itemTable<Item>(columns: readonly Column<Item>[]): string {
  const params = columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(", ");
  const names = columns.map(({ name }) => name).join(", ");
  return `item AS MATERIALIZED (
  SELECT * FROM unnest(${params}) WITH ORDINALITY AS i (${names}, place)
)`;
}

/** The parameters of `itemTable`. */
export function itemParams<Item>(
  columns: readonly Column<Item>[],
  items: readonly Item[],
): unknown[] {
  return columns.map(({ of }) => items.map((item, index) => of(item, index)));
}

/** A part of an array as Postgres slices: from 1, both ends included; empty where `to` is below `from`. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

/** Lists of the items, laid end to end: an array of arrays of different lengths cannot be passed. */
export interface Laid<T> {
  readonly all: readonly T[];
  /** Each item's part of `all`. */
  readonly slices: readonly Slice[];
}

export function layEndToEnd<T>(lists: readonly (readonly T[])[]): Laid<T> {
  const all: T[] = [];
  const slices = lists.map((list) => {
    const from = all.length + 1;
    for (const one of list) all.push(one);
    return { from, to: all.length };
  });
  return { all, slices };
}

/** Puts what a statement answered in the order of the items; undefined: nothing for that item. */
export function byPlace<Row extends { readonly place: number }>(
  found: readonly Row[],
  count: number,
): (Row | undefined)[] {
  const answers = new Array<Row | undefined>(count).fill(undefined);
  for (const row of found) answers[row.place - 1] = row;
  return answers;
}
