import { setImmediate as turn } from "node:timers/promises";
import type fc from "fast-check";
import type { Db, Query, Tx } from "../../store/db.ts";
import { withQuery } from "./with-query.ts";

/** Statements of one replica's pool go through here, each released by the scheduler. */
type Gates = Pick<StatementScheduler, "at">;

/** Turns of the event loop that work between two statements may take: a batch's deferral is one. */
const TURNS = 4;

/**
 * Lets a scheduler say which statement of which replica runs next. After each choice it waits until
 * every statement that was released has been answered or waits for a lock, so that the next choice is
 * among the same ones each time: the order is the scheduler's alone, whatever the machine does.
 */
export class StatementScheduler {
  readonly #scheduler: fc.Scheduler;
  /** Not gated. Tells how many statements wait for a lock. */
  readonly #monitor: Query;
  #running = 0;
  /** Statements begun and answered so far: whether anything happened meanwhile. */
  #steps = 0;

  constructor(scheduler: fc.Scheduler, monitor: Query) {
    this.#scheduler = scheduler;
    this.#monitor = monitor;
  }

  /** Runs a statement once it is its turn. */
  async at<Result>(label: string, statement: () => Promise<Result>): Promise<Result> {
    await this.#scheduler.schedule(Promise.resolve(), label);
    this.#running += 1;
    this.#steps += 1;
    try {
      return await statement();
    } finally {
      this.#running -= 1;
      this.#steps += 1;
    }
  }

  /** Releases one statement after another until the work is done. @throws where none can go on */
  async drive<Result>(work: Promise<Result>): Promise<Result> {
    let done = false;
    const ended = work.finally(() => (done = true));
    ended.catch(() => undefined);
    for (;;) {
      await this.#quiet();
      if (done) return ended;
      if (this.#scheduler.count() === 0) throw new Error("statements wait for one another");
      await this.#scheduler.waitNext(1);
    }
  }

  async #quiet(): Promise<void> {
    for (;;) {
      const steps = this.#steps;
      for (let n = 0; n < TURNS; n += 1) await turn();
      const quiet = this.#running === 0 || (await this.#blocked()) === this.#running;
      if (quiet && steps === this.#steps) return;
    }
  }

  async #blocked(): Promise<number> {
    const { rows } = await this.#monitor.query<{ n: number }>(
      "select count(distinct pid)::int as n from pg_locks where not granted",
    );
    return rows[0]?.n ?? 0;
  }
}

/** A database of which every statement, BEGIN and COMMIT included, waits for its turn. */
export function scheduledDb(db: Db, replica: string, gates: () => Gates | undefined): Db {
  const at = <Result>(label: string, statement: () => Promise<Result>) => {
    const scheduled = gates();
    return scheduled === undefined ? statement() : scheduled.at(`${replica} ${label}`, statement);
  };
  const query = (inner: Query) => scheduledQuery(inner, at);
  return {
    ...db,
    query: query(db),
    transaction: (work, options) => scheduledTransaction(db, work, options, at, query),
  };
}

type At = <Result>(label: string, statement: () => Promise<Result>) => Promise<Result>;

function scheduledQuery(inner: Query, at: At): Query["query"] {
  return (statement, params) => {
    const label = typeof statement === "string" ? statement.slice(0, 30) : statement.name;
    return at(label, () => inner.query(statement, params));
  };
}

/** BEGIN ends where the work begins; COMMIT or ROLLBACK begins where it ends. */
function scheduledTransaction<Result>(
  db: Db,
  work: (tx: Tx) => Promise<Result>,
  options: Parameters<Db["transaction"]>[1],
  at: At,
  query: (inner: Query) => Query["query"],
): Promise<Result> {
  const begun = signal();
  const over = signal();
  const inner = async (tx: Tx): Promise<Result> => {
    begun.give();
    try {
      return await work(withQuery(tx, inOrder(query(tx))));
    } finally {
      const ending = signal();
      void at("COMMIT", () => {
        ending.give();
        return over.given;
      });
      await ending.given;
    }
  };
  return new Promise<Result>((resolve, reject) => {
    void at("BEGIN", () => {
      const ended = db.transaction(inner, options).finally(over.give);
      ended.then(resolve, reject);
      return Promise.race([begun.given, over.given]);
    });
  });
}

/** A connection does what it is asked one after the other, also where nobody waits in between. */
function inOrder(query: Query["query"]): Query["query"] {
  let last: Promise<unknown> = Promise.resolve();
  return (statement, params) => {
    const answer = last.then(() => query<never>(statement, params));
    last = answer.catch(() => undefined);
    return answer;
  };
}

function signal() {
  let give = () => undefined as void;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
}
