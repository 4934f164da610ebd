import type { Db } from "../../store/db.ts";
import { atEnd } from "../calls.ts";
import { scheduledDb } from "./scheduled-db.ts";

export interface HeldDb {
  readonly db: Db;
  /** Resolves once the statement is about to run. */
  readonly reached: Promise<void>;
  readonly release: () => void;
}

/**
 * A database that stops before the statements of a name, with all locks that were taken so far, until it is
 * released or the test ends.
 */
export function heldDb(inner: Db, name: string): HeldDb {
  let release = () => undefined as void;
  let reach = () => undefined as void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  atEnd(release);
  const at = async <Result>(label: string, statement: () => Promise<Result>): Promise<Result> => {
    if (label === `held ${name}`) {
      reach();
      await released;
    }
    return statement();
  };
  return { db: scheduledDb(inner, "held", () => ({ at })), reached, release };
}
