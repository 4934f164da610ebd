import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import type { RunnerDatabase, Sql } from "../store/sql.ts";

/**
 * A database whose answer to a statement, by its name, is lost once, as where a connection breaks: what the
 * statement did stands, and so does its transaction. Empty: none is lost.
 */
export function losingAnswerTo(db: RunnerDatabase, name: string): RunnerDatabase {
  let isLost = name === "";
  const sent = (statement: Parameters<Sql["query"]>[0]): boolean =>
    !isLost && typeof statement !== "string" && statement.name === name;
  const lose = (): never => {
    isLost = true;
    throw new DatabaseUnavailableError(`the answer to ${name} was lost`);
  };
  return {
    query: (statement, params) =>
      db.query(statement, params).then((answer) => (sent(statement) ? lose() : answer)) as never,
    transaction: async (work, options) => {
      let isSent = false;
      const answer = await db.transaction(
        (inner) =>
          work({
            ...inner,
            kysely: inner.kysely,
            query: (statement, params) => {
              isSent ||= sent(statement);
              return inner.query(statement, params);
            },
          }),
        options,
      );
      return isSent ? lose() : answer;
    },
  };
}
