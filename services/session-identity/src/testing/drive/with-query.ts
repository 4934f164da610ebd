import type { Query, Tx } from "../../store/db.ts";

/** The transaction with its statements done otherwise. Getters are not copied by a spread. */
export function withQuery(tx: Tx, query: Query["query"]): Tx {
  return {
    isTransaction: true,
    query,
    // COMMIT follows when the work is done.
    queryAndCommit: query,
    get kysely() {
      return tx.kysely;
    },
  };
}
