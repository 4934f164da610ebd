import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { Turnstile } from "@lanekeeper/service";
import type { RunnerDatabase } from "./sql.ts";

/**
 * A part of a database's connections, for those who may not have all: at most so many of its statements and
 * transactions are under way at once, and the others wait in their order. Who has the database itself finds the rest
 * free.
 * @throws `DatabaseUnavailableError` for who has waited too long
 */
export function shareOf(
  db: RunnerDatabase,
  atMost: number,
  waitMs: number,
  told: (waiting: number) => void = () => {},
): RunnerDatabase {
  const turnstile = new Turnstile(atMost);
  let waiting = 0;
  const tell = () => {
    if (turnstile.waiting === waiting) return;
    waiting = turnstile.waiting;
    told(waiting);
  };
  const within = async <T>(work: () => Promise<T>): Promise<T> => {
    const giveUp = new AbortController();
    const message = `${atMost} statements are under way, as many as may of this kind`;
    const timer = setTimeout(() => giveUp.abort(new DatabaseUnavailableError(message)), waitMs);
    const entering = turnstile.enter(giveUp.signal);
    tell();
    const leave = await entering.finally(() => {
      clearTimeout(timer);
      tell();
    });
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
