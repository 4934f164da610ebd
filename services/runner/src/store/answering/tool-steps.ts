import type { FilePart, Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { filesBytes, filesOf, messageBytes, messageOf } from "../codec.ts";
import { first, rows, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

/** A tool step of a turn. */
export interface ToolStep {
  readonly step: number;
  readonly callId: string;
  readonly name: string;
  /** The agent's message that made the call; stands with the first step of that message. */
  readonly said: Message | undefined;
  /** Undefined: begun, and perhaps done. */
  readonly result: StepResult | undefined;
}

/** What came of a step. */
export interface StepResult {
  readonly text: string;
  readonly isError: boolean;
  /** They go with the turn's answer. */
  readonly files: readonly FilePart[];
  /** Others that it made and that did not fit. */
  readonly filesLeftOut: number;
}

/** Under the turn's row: a run that was taken over waits for its successor, and then finds nothing. */
const HELD = `
WITH held AS (
  SELECT tenant FROM turns
  WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}
  FOR SHARE
)`;

/** A step that an earlier run of the turn left unfinished becomes this run's. */
const BEGIN_STEP = {
  name: "runner_begin_step",
  text: `${HELD}
INSERT INTO tool_steps (tenant, turn_id, step, run_id, call_id, name, said)
SELECT $1, $2, $4, $3, $5, $6, $7 FROM held
ON CONFLICT (tenant, turn_id, step) DO UPDATE SET run_id = excluded.run_id
WHERE tool_steps.result IS NULL
RETURNING step`,
};

/** Recorded before the tool acts. False: the run holds the turn no more. */
export async function beginStep(
  sql: Sql,
  held: { readonly tenant: string; readonly turnId: string; readonly runId: string },
  step: Omit<ToolStep, "result">,
): Promise<boolean> {
  const row = await first(sql, BEGIN_STEP, [
    held.tenant,
    held.turnId,
    held.runId,
    step.step,
    step.callId,
    step.name,
    step.said === undefined ? null : messageBytes(step.said),
  ]);
  return row !== undefined;
}

const FINISH_STEP = {
  name: "runner_finish_step",
  text: `${HELD}
UPDATE tool_steps s SET result = coalesce(s.result, $5),
  is_error = CASE WHEN s.result IS NULL THEN $6 ELSE s.is_error END,
  files = CASE WHEN s.result IS NULL THEN $7::bytea[] ELSE s.files END,
  files_left_out = CASE WHEN s.result IS NULL THEN $8 ELSE s.files_left_out END
FROM held
WHERE s.tenant = $1 AND s.turn_id = $2 AND s.step = $4 AND s.run_id = $3
RETURNING s.step`,
};

/** Recorded once the tool has acted. False: the run holds the turn no more. */
export async function finishStep(
  sql: Sql,
  held: { readonly tenant: string; readonly turnId: string; readonly runId: string },
  step: number,
  result: StepResult,
): Promise<boolean> {
  const { tenant, turnId, runId } = held;
  const { text, isError, files, filesLeftOut } = result;
  const params = [tenant, turnId, runId, step, text, isError, filesBytes(files), filesLeftOut];
  return (await first(sql, FINISH_STEP, params)) !== undefined;
}

const READ_STEPS = {
  name: "runner_read_steps",
  text: `
SELECT step, call_id, name, said, result, is_error, files, files_left_out FROM tool_steps
WHERE tenant = $1 AND turn_id = $2 ORDER BY step`,
};

/** What earlier runs of the turn did with tools, in order. */
export async function readSteps(sql: Sql, tenant: string, turnId: string): Promise<ToolStep[]> {
  interface Row {
    readonly step: number;
    readonly call_id: string;
    readonly name: string;
    readonly said: Buffer | null;
    readonly result: string | null;
    readonly is_error: boolean;
    readonly files: Buffer[];
    readonly files_left_out: number;
  }
  const found = await rows<Row>(sql, READ_STEPS, [tenant, turnId]);
  return found.map((row) => ({
    step: row.step,
    callId: row.call_id,
    name: row.name,
    said: row.said === null ? undefined : messageOf(row.said),
    result:
      row.result === null
        ? undefined
        : {
            text: row.result,
            isError: row.is_error,
            files: filesOf(row.files),
            filesLeftOut: row.files_left_out,
          },
  }));
}

const FORGET = {
  name: "runner_forget_steps",
  text: `
DELETE FROM tool_steps s USING (
  SELECT s.tenant, s.turn_id, s.step FROM tool_steps s
  JOIN turns t ON t.tenant = s.tenant AND t.turn_id = s.turn_id
  WHERE t.end_time < clock_timestamp() - $1 * interval '1 ms'
  LIMIT $2
) old
WHERE s.tenant = old.tenant AND s.turn_id = old.turn_id AND s.step = old.step`,
};

/** Removes the steps of turns that ended long ago, which no run goes on with. Gives how many. */
export async function forgetSteps(sql: Sql, olderThanMs: number, limit: number): Promise<number> {
  return (await sql.query(FORGET, [olderThanMs, limit])).rowCount;
}
