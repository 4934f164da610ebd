import type pg from "pg";
import { endsConnection } from "../errors.ts";
import type { PreparedStatement, QueryResult } from "./queryable.ts";

type TransactionStatus = ReturnType<pg.PoolClient["getTransactionStatus"]>;

/** A connection that is checked out of the pool. */
export type Lease = {
  query<Row>(
    statement: string | PreparedStatement,
    params?: readonly unknown[],
  ): Promise<QueryResult<Row> & { command: string }>;
  /** "I" idle, "T" in a transaction, "E" in one that has failed; null once the connection is in doubt. */
  status(): TransactionStatus;
  /** Gives the connection back, or closes it if it cannot be trusted any more. Once. */
  release(): void;
};

/**
 * Wraps a checked-out connection. The pool's own `query` closes the connection after any error,
 * also after a unique violation; this one only where the connection itself is in doubt.
 */
export function lease(client: pg.PoolClient): Lease {
  let inDoubt = false;
  let released = false;
  const status = () => (inDoubt ? null : client.getTransactionStatus());
  return {
    async query<Row>(statement: string | PreparedStatement, params: readonly unknown[] = []) {
      if (released) throw new Error("the connection was given back; nothing can be asked on it");
      try {
        const result = await client.query<pg.QueryResultRow>(toConfig(statement, params));
        return {
          rows: result.rows as Row[],
          rowCount: result.rowCount ?? 0,
          command: result.command,
        };
      } catch (error) {
        inDoubt ||= endsConnection(error);
        throw error;
      }
    },
    status,
    release() {
      released = true;
      client.release(status() !== "I");
    },
  };
}

function toConfig(
  statement: string | PreparedStatement,
  params: readonly unknown[],
): pg.QueryConfig<unknown[]> {
  const values = [...params];
  if (typeof statement === "string") return { text: statement, values };
  return { name: statement.name, text: statement.text, values };
}
