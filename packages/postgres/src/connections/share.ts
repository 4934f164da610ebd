import { DatabaseUnavailableError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Database } from "./database.ts";

type Asked<Schema> = Pick<Database<Schema>, "query" | "transaction">;

interface Waiting {
  enter(): void;
}

/**
 * A part of a database's connections, for those who may not have all: at most so many of its statements and
 * transactions are under way at once, and the others wait in their order, for as long as anybody waits for a
 * connection. Who has the database itself finds the rest free.
 * @throws `DatabaseUnavailableError` for who has waited too long
 */
export function shareOf<Schema>(
  db: Asked<Schema>,
  atMost: number,
  waitMs: number = LIMITS.acquireTimeoutMs,
): Asked<Schema> {
  const waiting = new Set<Waiting>();
  let left = atMost;
  const enter = (): Promise<void> => {
    if (left > 0) {
      left -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(one);
        const message = `${atMost} statements are under way, as many as may of this kind`;
        reject(new DatabaseUnavailableError(message));
      }, waitMs);
      const one = {
        enter: () => {
          waiting.delete(one);
          clearTimeout(timer);
          resolve();
        },
      };
      waiting.add(one);
    });
  };
  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) left += 1;
    else next.enter();
  };
  const within = async <T>(work: () => Promise<T>): Promise<T> => {
    await enter();
    try {
      return await work();
    } finally {
      leave();
    }
  };
  return {
    query: (statement, params) => within(() => db.query(statement, params)),
    transaction: (work, options) => within(() => db.transaction(work, options)),
  };
}
