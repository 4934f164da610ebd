import { first, type Sql } from "../sql.ts";
import { isWaiting, stateIn } from "../state-in.ts";
import { type Stop, STOP_CODES } from "../turn-row.ts";

/**
 * The first request stands, except that who rolls back is heard behind an interrupt: the turn ends as it was
 * to, and leaves nothing. A cancelled turn keeps its input.
 */
const STANDS_NOT = `(stop IS NULL OR (stop = ${STOP_CODES.interrupted} AND $3 = ${STOP_CODES.rolled_back}))`;

/**
 * A run whose ending is stored is past stopping; should session-identity
 * refuse that ending, the turn's next run finds the request. So it is with a message that the turn which it was
 * handed to has read: it is a part of that one's answer, and stopped where that ends without one.
 */
const REQUEST_STOP = {
  name: "runner_request_stop",
  text: `
UPDATE turns SET stop = $3, stop_note = $4
WHERE tenant = $1 AND turn_id = $2 AND ${stateIn("state", "QUEUED", "ACTIVE")}
  AND (run_id IS NOT NULL OR steer = 2) AND ${STANDS_NOT}
RETURNING run_id AS "runId", run_id IS NULL OR prepared_run_id IS NOT NULL AS "isEnding"`,
};

/** Asks the holder of a turn to end it. Undefined: what was asked before stands, or there is nothing to stop. */
export async function requestStop(
  sql: Sql,
  tenant: string,
  turnId: string,
  stop: Stop,
  note: string,
): Promise<{ readonly runId: string } | undefined> {
  interface Row {
    readonly runId: string;
    readonly isEnding: boolean;
  }
  const asked = await first<Row>(sql, REQUEST_STOP, [tenant, turnId, STOP_CODES[stop], note]);
  return asked?.isEnding === false ? asked : undefined;
}

const STOP_WAITING_FRONT = {
  name: "runner_stop_waiting_front",
  text: `
UPDATE turns SET stop = $3, stop_note = $4
WHERE tenant = $1 AND session_key = $2 AND ${isWaiting("turns")} AND front AND ${STANDS_NOT}`,
};

/**
 * Turns that interrupted before and have not begun are interrupted by the next as if they had: each begins,
 * ends at once, and leaves its input unless it is rolled back. Under the lane's lock.
 */
export async function stopWaitingFront(
  sql: Sql,
  { tenant, sessionKey }: { readonly tenant: string; readonly sessionKey: string },
  stop: Stop,
  note: string,
): Promise<void> {
  await sql.query(STOP_WAITING_FRONT, [tenant, sessionKey, STOP_CODES[stop], note]);
}
