import { expect } from "vitest";
import type { Db, Query } from "../store/db.ts";
import { atEnd } from "./calls.ts";

/** A lock that somebody else holds. */
export interface HeldRow {
  readonly release: () => Promise<void>;
}

/** Locks a key's row until released, as a slow transaction elsewhere does. */
export function holdRow(db: Db, tenant: string, key: string): Promise<HeldRow> {
  return holdAfter(db, async (tx) => {
    const sql = "select from session_keys where tenant = $1 and session_key = $2 for update";
    await tx.query(sql, [tenant, key]);
  });
}

/** A transaction in which nothing happens would be ended for it, on a busy machine before its test has done. */
export const HELD_FOR_LONG = "set local idle_in_transaction_session_timeout = 0";

/** A transaction that did something and stays open until released, or the test ends, when it commits. */
export async function holdAfter(db: Db, work: (tx: Query) => Promise<void>): Promise<HeldRow> {
  let release = () => undefined as void;
  const released = new Promise<void>((resolve) => (release = resolve));
  let did = () => undefined as void;
  const isDone = new Promise<void>((resolve) => (did = resolve));
  const ended = db.transaction(async (tx) => {
    await tx.query(HELD_FOR_LONG);
    await work(tx);
    did();
    await released;
  });
  atEnd(release);
  await Promise.race([isDone, ended]);
  return {
    release: async () => {
      release();
      await ended;
    },
  };
}

/** Comes back once so many statements wait for a lock. */
export async function untilWaiting(db: Query, statements: number): Promise<void> {
  const sql = `select count(*)::int as n from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database()`;
  await expect.poll(async () => (await db.query<{ n: number }>(sql)).rows[0]?.n).toBe(statements);
}

/** How many deadlocks the server has broken so far. */
export async function deadlockCount(db: Query): Promise<bigint | undefined> {
  const sql = "select deadlocks from pg_stat_database where datname = current_database()";
  await db.query("select pg_stat_force_next_flush()");
  return (await db.query<{ deadlocks: bigint }>(sql)).rows[0]?.deadlocks;
}
