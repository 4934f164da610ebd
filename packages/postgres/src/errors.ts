import pg from "pg";

/** No connection could be had: refused, timed out, none free in time, or the pool is closed. */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
}

/** The function of a transaction returned although one of its statements had failed. */
export class TransactionAbortedError extends Error {
  override readonly name = "TransactionAbortedError";
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNAVAILABLE_STATES = new Set([
  "25006", // read_only_sql_transaction: connected to what is a standby since a failover
  "25P03", // idle_in_transaction_session_timeout
  "25P04", // transaction_timeout
  "55P03", // lock_not_available: lock_timeout
  "57014", // query_canceled: statement_timeout
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: starting up or recovering
  "57P05", // idle_session_timeout
]);

/** Whole classes: 08 connection exceptions, 53 insufficient resources (53300 too many connections). */
const UNAVAILABLE_CLASSES = ["08", "53"];

const NETWORK_CODES = new Set([
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/** What pg 8 says, without a code, of a connection that is lost or does not answer. */
const LOST_CONNECTION =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout)/;

/**
 * True when the database cannot be asked now, and asking again later may succeed. Whether a statement
 * that was under way took effect is then unknown.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  const state = sqlState(error);
  if (state !== undefined) {
    return UNAVAILABLE_STATES.has(state) || UNAVAILABLE_CLASSES.includes(state.slice(0, 2));
  }
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return (code !== undefined && NETWORK_CODES.has(code)) || LOST_CONNECTION.test(error.message);
}

/** True when the transaction was rolled back for the sake of another and may be run again as it was. */
export function isSerializationRetryable(error: unknown): boolean {
  const state = sqlState(error);
  // serialization_failure, deadlock_detected
  return state === "40001" || state === "40P01";
}

/** True for a unique violation, of a certain constraint or index when one is named. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (sqlState(error) !== "23505") return false;
  return constraint === undefined || (error as pg.DatabaseError).constraint === constraint;
}

/**
 * True when a prepared statement met a table that a migration has changed since. Nothing was
 * executed, and a new connection prepares it anew.
 */
export function isStalePlan(error: unknown): boolean {
  return sqlState(error) === "0A000" && /cached plan/.test((error as Error).message);
}

/** Time-outs that end the session; and read_only_sql_transaction: another may lead to the primary. */
const ENDING_STATES = new Set(["25P03", "25P04", "25006"]);

/**
 * True when the connection is of no further use: the server said nothing (it is lost, or an answer may still
 * arrive), ended the session, takes no writes, or keeps a plan that it can no longer run.
 */
export function endsConnection(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined || isStalePlan(error)) return true;
  return state.startsWith("57P") || state.startsWith("08") || ENDING_STATES.has(state);
}

/** The five characters of SQLSTATE; undefined for what the server did not say. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
