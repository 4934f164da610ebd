import { first, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

/** What stands for the history before a generation. */
export interface Summary {
  readonly body: string;
  /** The predecessor, whose messages after `coversThroughSeq` are shown as they were said. */
  readonly coversSessionId: string;
  readonly coversThroughSeq: bigint;
}

/** Locks the turn's row: a run that was taken over waits for its successor, and then stores nothing. */
const STORE_SUMMARY = {
  name: "runner_store_summary",
  text: `
WITH held AS (
  SELECT tenant FROM turns
  WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}
  FOR SHARE
)
INSERT INTO summaries AS s (tenant, session_key, generation, run_id, body, covers_session_id,
  covers_through_seq, create_time)
SELECT $1, $4, $5, $3, $6, $7, $8, clock_timestamp() FROM held
ON CONFLICT (tenant, session_key, generation, run_id) DO UPDATE SET body = excluded.body,
  covers_session_id = excluded.covers_session_id, covers_through_seq = excluded.covers_through_seq
RETURNING generation`,
};

/** Before the rotation that makes the generation. False: the run holds its turn no more. */
export async function storeSummary(
  sql: Sql,
  run: {
    readonly tenant: string;
    readonly turnId: string;
    readonly runId: string;
    readonly sessionKey: string;
    readonly generation: bigint;
  },
  summary: Summary,
): Promise<boolean> {
  const row = await first(sql, STORE_SUMMARY, [
    run.tenant,
    run.turnId,
    run.runId,
    run.sessionKey,
    run.generation,
    summary.body,
    summary.coversSessionId,
    summary.coversThroughSeq,
  ]);
  return row !== undefined;
}

const READ_SUMMARY = {
  name: "runner_read_summary",
  text: `
SELECT body, covers_session_id AS "coversSessionId", covers_through_seq AS "coversThroughSeq"
FROM summaries WHERE tenant = $1 AND session_key = $2 AND generation = $3 AND run_id = $4`,
};

/** The summary that a run stored for a generation; undefined: it stored none. */
export function readSummary(
  sql: Sql,
  tenant: string,
  of: { readonly sessionKey: string; readonly generation: bigint; readonly runId: string },
): Promise<Summary | undefined> {
  return first(sql, READ_SUMMARY, [tenant, of.sessionKey, of.generation, of.runId]);
}
