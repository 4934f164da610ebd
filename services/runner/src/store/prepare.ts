import type { Ending } from "../domain/ending.ts";
import { isRunEnding } from "../domain/ending.ts";
import { stateCode, stateOf } from "../domain/turn-state.ts";
import type { Held } from "./claim-head.ts";
import { messageBytes, messageOf, messagesBytes, messagesOf } from "./codec.ts";
import { first, type Sql } from "./sql.ts";
import { stateIn } from "./state-in.ts";

/**
 * Stores a run's ending before session-identity is told: step one of three. Under the turn's row, so
 * that a takeover either comes before, and this finds the turn gone, or after, and finds the ending.
 * The first ending that is stored stands, whoever stored it: session-identity may have been told.
 */
const PREPARE = {
  name: "runner_prepare",
  text: `
WITH turn AS (
  UPDATE turns t SET prepared_run_id = $3, renewed_at = clock_timestamp()
  WHERE t.tenant = $1 AND t.turn_id = $2 AND t.run_id = $3 AND ${stateIn("t.state", "ACTIVE")}
    AND t.prepared_run_id IS NULL
    AND ($4 <> ${stateCode("COMPLETED")} OR NOT EXISTS (
      SELECT FROM turns s WHERE s.tenant = $1 AND s.session_key = $16
        AND s.state = ${stateCode("QUEUED")} AND s.into_turn_id = $2 AND s.steer = 1))
  RETURNING t.turn_id
)
UPDATE runs r SET prepared_state = $4, error_reason = $5, error_message = $6, reply = $7, produced = $8,
  keeps_input = $9, seeds = $10, input_tokens = $11, output_tokens = $12, finish_reason = $13,
  model = $14, ended_stream_seq = $15
FROM turn
WHERE r.tenant = $1 AND r.turn_id = $2 AND r.run_id = $3
RETURNING r.run_id`,
};

/** What came of storing an ending. */
export type PrepareResult =
  /** The ending that stands. */
  | { readonly kind: "stored"; readonly ending: Ending }
  /** A message that was handed to the turn is unread: the model gets another step. */
  | { readonly kind: "steered" }
  /** The run holds the turn no more, and its work is dropped. */
  | { readonly kind: "lost" };

export async function prepare(
  sql: Sql,
  held: Held,
  ending: Ending,
  endedStreamSeq: bigint,
): Promise<PrepareResult> {
  const row = await first(sql, PREPARE, [
    held.tenant,
    held.turnId,
    held.runId,
    stateCode(ending.state),
    ending.errorReason,
    ending.errorMessage,
    ending.reply === undefined ? null : messageBytes(ending.reply),
    messagesBytes(ending.produced),
    ending.keepsInput,
    ending.seeds,
    ending.inputTokens,
    ending.outputTokens,
    ending.finishReason,
    ending.model,
    endedStreamSeq,
    held.sessionKey,
  ]);
  return row === undefined ? whyNot(sql, held) : { kind: "stored", ending };
}

const READ_HOLDER = {
  name: "runner_read_prepared_holder",
  text: `
SELECT prepared_run_id IS NOT NULL AS "isStored" FROM turns
WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}`,
};

async function whyNot(
  sql: Sql,
  held: Pick<Held, "tenant" | "turnId" | "runId">,
): Promise<PrepareResult> {
  const { tenant, turnId, runId } = held;
  const holder = await first<{ isStored: boolean }>(sql, READ_HOLDER, [tenant, turnId, runId]);
  if (holder === undefined) return { kind: "lost" };
  const ending = holder.isStored ? (await readRun(sql, held))?.ending : undefined;
  return ending === undefined ? { kind: "steered" } : { kind: "stored", ending };
}

const READ_RUN = {
  name: "runner_read_run",
  text: `
SELECT session_id, generation, run_epoch, ordinal, prepared_state, error_reason, error_message, reply,
  produced, keeps_input, seeds, input_tokens, output_tokens, finish_reason, model, end_time
FROM runs WHERE tenant = $1 AND turn_id = $2 AND run_id = $3`,
};

interface RunRow {
  readonly session_id: string;
  readonly generation: bigint;
  readonly run_epoch: bigint;
  readonly ordinal: number;
  readonly prepared_state: number | null;
  readonly error_reason: string;
  readonly error_message: string;
  readonly reply: Buffer | null;
  readonly produced: Buffer[];
  readonly keeps_input: boolean;
  readonly seeds: boolean;
  readonly input_tokens: bigint;
  readonly output_tokens: bigint;
  readonly finish_reason: string;
  readonly model: string;
  readonly end_time: Date | null;
}

/** A run that began, as its successor finds it. */
export interface StoredRun {
  readonly sessionId: string;
  readonly generation: bigint;
  readonly runEpoch: bigint;
  readonly ordinal: number;
  /** Undefined: no ending is stored. */
  readonly ending: Ending | undefined;
}

/** Undefined: the run never began. */
export async function readRun(
  sql: Sql,
  held: Pick<Held, "tenant" | "turnId" | "runId">,
): Promise<StoredRun | undefined> {
  const row = await first<RunRow>(sql, READ_RUN, [held.tenant, held.turnId, held.runId]);
  if (row === undefined) return undefined;
  const { session_id: sessionId, generation, run_epoch: runEpoch, ordinal } = row;
  return { sessionId, generation, runEpoch, ordinal, ending: endingOf(row) };
}

function endingOf(row: RunRow): Ending | undefined {
  if (row.prepared_state === null) return undefined;
  const state = stateOf(row.prepared_state);
  if (!isRunEnding(state)) throw new Error(`a run prepared ${state}, which no run can`);
  return {
    state,
    errorReason: row.error_reason,
    errorMessage: row.error_message,
    reply: row.reply === null ? undefined : messageOf(row.reply),
    produced: messagesOf(row.produced),
    keepsInput: row.keeps_input,
    seeds: row.seeds,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    finishReason: row.finish_reason,
    model: row.model,
  };
}
