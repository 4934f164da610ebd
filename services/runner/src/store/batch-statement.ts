import { type Column, itemParams, itemTable } from "@lanekeeper/postgres";
import { rows, type Sql } from "./sql.ts";

/** What the text of a statement is made of. */
export interface Items {
  /** Sql: the items as a table `item`, as `itemTable` has it. */
  readonly item: string;
  /** There is one: what puts several in order is left out. */
  readonly isOne: boolean;
}

/** A statement that does the same for each of its items. */
export interface BatchStatement<Item> {
  /** Its rows. `more`: the parameters that follow those of the columns. */
  rows<Row>(sql: Sql, items: readonly Item[], ...more: readonly unknown[]): Promise<Row[]>;
}

/**
 * Made from one text twice: for several items, and, its name ended by `_one`, for a single one, whose values
 * then stand where the table's would. The planner reads through them, and what would put several items in a
 * table, join and sort them is not set up: measured, that is a sixth of the server's time for the four writes
 * of a lone turn.
 */
export function batchStatement<Item>(
  name: string,
  columns: readonly Column<Item>[],
  text: (items: Items) => string,
): BatchStatement<Item> {
  const several = { name, text: text({ item: itemTable(columns), isOne: false }) };
  const one = { name: `${name}_one`, text: text({ item: oneItem(columns), isOne: true }) };
  return {
    rows: (sql, items, ...more) => {
      const [item] = items;
      if (item === undefined || items.length > 1)
        return rows(sql, several, [...itemParams(columns, items), ...more]);
      return rows(sql, one, [...columns.map(({ of }) => of(item, 0)), ...more]);
    },
  };
}

/** The table `item` of one row, each parameter a value. */
function oneItem<Item>(columns: readonly Column<Item>[]): string {
  const values = columns.map(({ name, type }, index) => `$${index + 1}::${type} AS ${name}`);
  return `item AS NOT MATERIALIZED (
  SELECT ${values.join(", ")}, 1::bigint AS place
)`;
}
