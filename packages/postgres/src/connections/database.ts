import { isStalePlan } from "../errors.ts";
import { kyselyOn } from "./kysely-on.ts";
import { LIMITS } from "../limits.ts";
import type { Lease } from "./lease.ts";
import { type PoolOptions, acquire, makePool } from "./pool.ts";
import type { PreparedStatement, QueryResult, Queryable, Transaction } from "./queryable.ts";
import { type TransactionOptions, inTransaction } from "../transactions/transaction.ts";

export type PoolStats = {
  /** Open connections, idle ones among them. */
  total: number;
  idle: number;
  /** Callers that wait for a connection. */
  waiting: number;
};

/** A pool of connections to one database. `await using` closes it. */
export type Database<Schema> = Queryable<Schema> &
  AsyncDisposable & {
    /**
     * Runs `work` between BEGIN and COMMIT and resolves to what it returns; rolls back when it throws.
     * When COMMIT itself fails with an unavailable database the outcome is unknown.
     */
    transaction<Result>(
      work: (transaction: Transaction<Schema>) => Promise<Result>,
      options?: TransactionOptions,
    ): Promise<Result>;
    stats(): PoolStats;
    /** Waits for the connections that are in use, then closes all. Repeats join the first. */
    close(): Promise<void>;
  };

/** Connects lazily: no database is needed until the first statement. */
export function createDatabase<Schema>(options: PoolOptions): Database<Schema> {
  const pool = makePool(options);
  const { url, acquireTimeoutMs = LIMITS.acquireTimeoutMs } = options;
  const checkOut = () => acquire(pool, url, acquireTimeoutMs);
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= pool.end());
  return {
    kysely: kyselyOn<Schema>(checkOut),
    query: <Row>(statement: string | PreparedStatement, params?: readonly unknown[]) =>
      queryOnce<Row>(checkOut, statement, params),
    transaction: async (work, settings) => {
      const connection = await checkOut();
      try {
        return await inTransaction(connection, work, settings);
      } finally {
        connection.release();
      }
    },
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function queryOnce<Row>(
  checkOut: () => Promise<Lease>,
  statement: string | PreparedStatement,
  params?: readonly unknown[],
): Promise<QueryResult<Row>> {
  for (;;) {
    const connection = await checkOut();
    try {
      return await connection.query<Row>(statement, params);
    } catch (error) {
      // Nothing was executed and this connection is closed, so the loop ends with the last of its age.
      if (!isStalePlan(error)) throw error;
    } finally {
      connection.release();
    }
  }
}
