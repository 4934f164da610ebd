import type { Kysely } from "kysely";

/**
 * A statement of the hot path. The server parses and plans it once per connection under its name,
 * which is unique in the process and at most 63 bytes long.
 */
export type PreparedStatement = { readonly name: string; readonly text: string };

export type QueryResult<Row> = {
  rows: Row[];
  /** How many rows were returned, inserted, updated or deleted. */
  rowCount: number;
};

/** What can be asked: a database, or a transaction in it. */
export type Queryable<Schema> = {
  /**
   * Runs one statement with `$1`-style parameters. int8 comes as bigint, timestamptz as Date; a
   * parameter that is an array becomes an SQL array, so stringify what is meant as json.
   */
  query<Row>(
    statement: string | PreparedStatement,
    params?: readonly unknown[],
  ): Promise<QueryResult<Row>>;
  /** The same connections under Kysely. Never call its `destroy`. */
  readonly kysely: Kysely<Schema>;
};

/** An open transaction. It is passed on explicitly, and refuses statements once it has ended. */
export type Transaction<Schema> = Queryable<Schema> & {
  readonly isTransaction: true;
  /** The last statement, with COMMIT right behind it: one round trip for both. Answers once it is committed. */
  readonly queryAndCommit: Queryable<Schema>["query"];
};
