import type fc from "fast-check";
import type { IdentityContext } from "../../context.ts";
import type { Db } from "../../store/db.ts";
import { atEnd } from "../calls.ts";
import { testContext } from "../identity.ts";
import type { TestDatabase } from "../database.ts";
import { DbClock } from "./db-clock.ts";
import { scheduledDb, StatementScheduler } from "./scheduled-db.ts";

/** Two replicas on one database, whose statements a scheduler can put in order. */
export interface RacedReplicas {
  readonly contexts: readonly [IdentityContext, IdentityContext];
  readonly clock: DbClock;
  /** A pool of the test's own, in no order. */
  readonly db: Db;
  /** Does the work with its statements in an order of the scheduler's; outside of it they run as they come. */
  readonly scheduled: <T>(
    scheduler: fc.Scheduler,
    work: readonly (() => Promise<T>)[],
  ) => Promise<T[]>;
}

/** Ended with the test. */
export function racedReplicas(database: TestDatabase): RacedReplicas {
  const clock = new DbClock();
  const db = database.open();
  let current: StatementScheduler | undefined;
  const open = (name: string) =>
    testContext(scheduledDb(clock.on(database.open()), name, () => current));
  const contexts = [open("a"), open("b")] as const;
  atEnd(async () => {
    await Promise.all(contexts.map((context) => context[Symbol.asyncDispose]()));
  });
  return {
    ...{ contexts, clock, db },
    scheduled: async (scheduler, work) => {
      const driver = new StatementScheduler(scheduler, db);
      current = driver;
      try {
        return await driver.drive(allOf(work.map((each) => each())));
      } finally {
        current = undefined;
      }
    },
  };
}

/** What all came to, once all are done: one that fails leaves no other behind. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
