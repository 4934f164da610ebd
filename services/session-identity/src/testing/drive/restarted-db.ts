import type { Db, Query } from "../../store/db.ts";
import { withQuery } from "./with-query.ts";

/** Where the parameters of a compare-and-set tell of which start of the server the writer knows. */
const STARTED_AT = 4;

/** A database that shows its replicas later starts of its server than there were. */
export class RestartedDb {
  #aheadMs = 0;

  restart(): void {
    this.#aheadMs += 1;
  }

  on(db: Db): Db {
    return {
      ...db,
      query: this.#query(db),
      transaction: (work, options) =>
        db.transaction((tx) => work(withQuery(tx, this.#query(tx))), options),
    };
  }

  #query(inner: Query): Query["query"] {
    return async <Row>(...[statement, params]: Parameters<Query["query"]>) => {
      const isCompared = typeof statement !== "string" && statement.name.startsWith("write_unch");
      const known = isCompared
        ? params?.with(STARTED_AT, Number(params[STARTED_AT]) - this.#aheadMs)
        : params;
      const result = await inner.query<Row>(statement, known);
      for (const row of result.rows as { start_ms?: unknown }[]) {
        if (typeof row?.start_ms === "number") row.start_ms += this.#aheadMs;
      }
      return result;
    };
  }
}
