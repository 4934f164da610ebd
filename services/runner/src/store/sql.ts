import type { Database, PreparedStatement, Queryable } from "@lanekeeper/postgres";

/** The runner's database, or a transaction in it. All names stand in the schema of the search path. */
export type Sql = Pick<Queryable<unknown>, "query">;
export type RunnerDatabase = Pick<Database<unknown>, "query" | "transaction">;

/** All rows of a statement. */
export async function rows<Row>(
  sql: Sql,
  statement: PreparedStatement | string,
  params: readonly unknown[] = [],
): Promise<Row[]> {
  return (await sql.query<Row>(statement, params)).rows;
}

/** The first row of a statement; undefined where there is none. */
export async function first<Row>(
  sql: Sql,
  statement: PreparedStatement | string,
  params: readonly unknown[] = [],
): Promise<Row | undefined> {
  return (await rows<Row>(sql, statement, params))[0];
}
