import type { Held } from "../lanes/claim-head.ts";
import { first, rows, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";
import { type Stop, stopOf } from "../turn-row.ts";
import { UNHURRIED } from "@lanekeeper/postgres";

const RENEW = {
  name: "runner_renew",
  text: `
WITH ${UNHURRIED}
UPDATE turns SET renewed_at = clock_timestamp() FROM unhurried
WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "QUEUED", "ACTIVE")}
RETURNING turn_id`,
};

/** Moves the hint for sweepers. False: the run holds the turn no more. */
export async function renew(
  sql: Sql,
  held: Pick<Held, "tenant" | "turnId" | "runId">,
): Promise<boolean> {
  return (await first(sql, RENEW, [held.tenant, held.turnId, held.runId])) !== undefined;
}

/** A run that is to end its turn. */
export interface StopRequest {
  readonly runId: string;
  readonly stop: Stop;
  readonly note: string;
}

const READ_STOPS = {
  name: "runner_read_stops",
  text: `
SELECT run_id, stop, stop_note FROM turns
WHERE (tenant, turn_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
  AND stop IS NOT NULL AND run_id = ANY ($3::uuid[])
  AND ${stateIn("state", "ACTIVE")}`,
};

/** Of these runs those that somebody, perhaps through another replica, asked to stop. */
export async function readStops(
  sql: Sql,
  runs: readonly Pick<Held, "tenant" | "turnId" | "runId">[],
): Promise<StopRequest[]> {
  interface Row {
    readonly run_id: string;
    readonly stop: number;
    readonly stop_note: string | null;
  }
  const found = await rows<Row>(sql, READ_STOPS, [
    runs.map((run) => run.tenant),
    runs.map((run) => run.turnId),
    runs.map((run) => run.runId),
  ]);
  return found.flatMap((row) => {
    const stop = stopOf(row.stop);
    return stop === undefined ? [] : [{ runId: row.run_id, stop, note: row.stop_note ?? "" }];
  });
}
