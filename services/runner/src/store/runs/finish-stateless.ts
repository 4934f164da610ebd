import { RUN_ENDINGS } from "../../domain/ending.ts";
import type { Ending } from "../../domain/ending.ts";
import { stateCode } from "../../domain/turn-state.ts";
import { messageBytes } from "../codec.ts";
import { first, rows, type Sql } from "../sql.ts";
import { isOpen, mayBecomeFrom } from "../state-in.ts";
import type { EventChunk } from "../attaching/turn-events.ts";

const FINISH_STATELESS = {
  name: "runner_finish_stateless",
  text: `
WITH turn AS (
  UPDATE turns SET state = $4, end_time = clock_timestamp(), error_reason = $5, error_message = $6,
    reply = $7, input_tokens = $8, output_tokens = $9, finish_reason = $10, model = $11,
    ended_stream_seq = $12
  WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND session_key IS NULL
    AND ${mayBecomeFrom("state", "COMPLETED")}
  RETURNING end_time
), run AS (
  UPDATE runs r SET end_time = turn.end_time, outcome = $16, error_reason = $5, error_message = $6
  FROM turn WHERE r.tenant = $1 AND r.turn_id = $2 AND r.run_id = $3
), event AS (
  INSERT INTO turn_events (tenant, turn_id, first_seq, last_seq, body, create_time)
  SELECT $1, $2, $13, $14, $15, turn.end_time FROM turn WHERE $15::bytea IS NOT NULL
  ON CONFLICT DO NOTHING
)
SELECT end_time AS "endTime" FROM turn`,
};

/** Ends a turn that has no session: nobody else's word is needed. Undefined: it was ended before. */
export function finishStateless(
  sql: Sql,
  held: { readonly tenant: string; readonly turnId: string; readonly runId: string },
  ending: Ending,
  endedStreamSeq: bigint,
  chunk: EventChunk | undefined,
): Promise<{ readonly endTime: Date } | undefined> {
  return first(sql, FINISH_STATELESS, [
    held.tenant,
    held.turnId,
    held.runId,
    stateCode(ending.state),
    ending.errorReason,
    ending.errorMessage,
    ending.reply === undefined ? null : messageBytes(ending.reply),
    ending.inputTokens,
    ending.outputTokens,
    ending.finishReason,
    ending.model,
    endedStreamSeq,
    chunk?.firstSeq ?? null,
    chunk?.lastSeq ?? null,
    chunk?.body ?? null,
    RUN_ENDINGS[ending.state],
  ]);
}

const FAIL_ABANDONED = {
  name: "runner_fail_abandoned",
  text: `
WITH dead AS (
  SELECT tenant, turn_id FROM turns
  WHERE session_key IS NULL AND ${isOpen("turns")} AND state = ${stateCode("ACTIVE")} AND renewed_at < clock_timestamp() - $1 * interval '1 ms'
  LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE turns t SET state = ${stateCode("FAILED")}, end_time = clock_timestamp(), error_reason = 'INTERNAL',
  error_message = 'the process that answered died; a turn without a session is not taken over',
  ended_stream_seq = 999999999
FROM dead WHERE t.tenant = dead.tenant AND t.turn_id = dead.turn_id
RETURNING t.turn_id AS "turnId"`,
};

/** Fails turns without a session whose process died. */
export function failAbandoned(
  sql: Sql,
  leaseMs: number,
  limit: number,
): Promise<{ readonly turnId: string }[]> {
  return rows(sql, FAIL_ABANDONED, [leaseMs, limit]);
}
