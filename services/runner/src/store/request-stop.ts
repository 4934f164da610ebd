import { first, type Sql } from "./sql.ts";
import { stateIn } from "./state-in.ts";
import { type Stop, STOP_CODES } from "./turn-row.ts";

/**
 * The first request stands. A run whose ending is stored is past stopping; should session-identity
 * refuse that ending, the turn's next run finds the request.
 */
const REQUEST_STOP = {
  name: "runner_request_stop",
  text: `
UPDATE turns SET stop = $3, stop_note = $4
WHERE tenant = $1 AND turn_id = $2 AND ${stateIn("state", "QUEUED", "ACTIVE")}
  AND run_id IS NOT NULL AND stop IS NULL
RETURNING run_id AS "runId", prepared_run_id IS NOT NULL AS "isEnding"`,
};

/** Asks the holder of a turn to end it. Undefined: it was asked before, or there is nothing to stop. */
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
