import type { RunnerDatabase } from "../store/sql.ts";

class Forgotten extends Error {}

/**
 * A database that forgets a statement once, by its name: it is answered as if it stood, and nothing of it does. So it is
 * with what was not flushed when a server dies. Empty: none is forgotten.
 */
export function forgetting(db: RunnerDatabase, name: string): RunnerDatabase {
  let isForgotten = name === "";
  return {
    transaction: (work, options) => db.transaction(work, options),
    query: async (statement, params) => {
      if (isForgotten || typeof statement === "string" || statement.name !== name) {
        return db.query(statement, params) as never;
      }
      isForgotten = true;
      let answer: unknown;
      await db
        .transaction(async (inner) => {
          answer = await inner.query(statement, params);
          throw new Forgotten();
        })
        .catch((error: unknown) => {
          if (!(error instanceof Forgotten)) throw error;
        });
      return answer as never;
    },
  };
}
