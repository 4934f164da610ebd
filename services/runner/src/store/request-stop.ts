import { first, type Sql } from "./sql.ts";
import { stateIn } from "./state-in.ts";
import { type Stop, STOP_CODES } from "./turn-row.ts";

/** The first request stands; an ending that is stored already is past stopping. */
const REQUEST_STOP = {
  name: "runner_request_stop",
  text: `
UPDATE turns SET stop = $3, stop_note = $4
WHERE tenant = $1 AND turn_id = $2 AND ${stateIn("state", "QUEUED", "ACTIVE")}
  AND run_id IS NOT NULL AND stop IS NULL AND prepared_run_id IS NULL
RETURNING run_id AS "runId"`,
};

/** Asks the holder of a turn to end it. Undefined: it was asked before, or there is nothing to stop. */
export function requestStop(
  sql: Sql,
  tenant: string,
  turnId: string,
  stop: Stop,
  note: string,
): Promise<{ readonly runId: string } | undefined> {
  return first(sql, REQUEST_STOP, [tenant, turnId, STOP_CODES[stop], note]);
}
