import { first, rows, type Sql } from "../sql.ts";
import { type StoredTurn, TURN_COLUMNS, type TurnRow, turnOf } from "../turn-row.ts";

const READ_TURN = {
  name: "runner_read_turn",
  text: `SELECT ${TURN_COLUMNS} FROM turns t WHERE t.tenant = $1 AND t.turn_id = $2`,
};

/** Undefined: the tenant has no such turn. */
export async function readTurn(
  sql: Sql,
  tenant: string,
  turnId: string,
): Promise<StoredTurn | undefined> {
  const row = await first<TurnRow>(sql, READ_TURN, [tenant, turnId]);
  return row && turnOf(row);
}

/** One attempt at a turn, as it is told. */
export interface RunRecord {
  readonly turnId: string;
  readonly runId: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly runEpoch: bigint;
  readonly replica: string;
  readonly startTime: Date;
  readonly endTime: Date | null;
  readonly outcome: number;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly model: string;
}

const READ_RUNS = {
  name: "runner_read_runs",
  text: `
SELECT turn_id AS "turnId", run_id AS "runId", session_id AS "sessionId", generation,
  run_epoch AS "runEpoch", replica, start_time AS "startTime", end_time AS "endTime", outcome,
  error_reason AS "errorReason", error_message AS "errorMessage", model
FROM runs WHERE tenant = $1 AND turn_id = ANY ($2::uuid[])
ORDER BY turn_id, ordinal`,
};

/** The runs of these turns, oldest first. */
export function readRuns(
  sql: Sql,
  tenant: string,
  turnIds: readonly string[],
): Promise<RunRecord[]> {
  return rows(sql, READ_RUNS, [tenant, turnIds]);
}
