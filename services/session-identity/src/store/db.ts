import type { Database, Queryable, Transaction } from "@lanekeeper/postgres";

/** Statements here name tables without a schema; the pool's search_path finds them. */
export type Db = Database<unknown>;
export type Query = Pick<Queryable<unknown>, "query">;
export type Tx = Transaction<unknown>;
