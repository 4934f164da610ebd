import type { Db, Query } from "../../store/db.ts";
import { withQuery } from "./with-query.ts";

/** Well past the lease that a freshly started server grants everybody. */
const UP_MS = 86_400_000;

/** Where the parameters of a compare-and-set tell when it was decided. */
const DECIDED_AT = 5;

/**
 * A database whose clock the test moves, for all replicas at once: what its statements call `now_ms`
 * comes from it, so that leases run out and sessions go idle without anybody waiting.
 */
export class DbClock {
  #aheadMs = UP_MS;

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  on(db: Db): Db {
    const query = this.#query(db);
    return {
      ...db,
      query,
      transaction: (work, options) =>
        db.transaction((tx) => work(withQuery(tx, this.#query(tx))), options),
    };
  }

  /** A moment that was decided at is compared with the server's own clock. */
  #toServer(asked: Parameters<Query["query"]>): Parameters<Query["query"]> {
    const [statement, params = []] = asked;
    if (typeof statement === "string" || !statement.name.startsWith("write_unchanged"))
      return asked;
    const decidedMs = Number(params[DECIDED_AT]) - this.#aheadMs;
    return [statement, params.with(DECIDED_AT, decidedMs)];
  }

  #query(inner: Query): Query["query"] {
    return async <Row>(...asked: Parameters<Query["query"]>) => {
      const result = await inner.query<Row>(...this.#toServer(asked));
      for (const row of result.rows as { now_ms?: unknown }[]) {
        if (typeof row?.now_ms === "number") row.now_ms += this.#aheadMs;
      }
      return result;
    };
  }
}
