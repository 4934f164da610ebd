import type { Ending } from "../../domain/ending.ts";
import { isRunEnding } from "../../domain/ending.ts";
import { stateCode, stateOf } from "../../domain/turn-state.ts";
import type { Held } from "../lanes/claim-head.ts";
import { messageBytes, messageOf, messagesBytes, messagesOf } from "../codec.ts";
import { byPlace, type Column, layEndToEnd, type Slice } from "@lanekeeper/postgres";
import { type Stop, stopOf } from "../turn-row.ts";
import { batchStatement } from "../batch-statement.ts";
import { heldTurns } from "./held-turns.ts";
import { first, type Sql } from "../sql.ts";
import { isSteered, stateIn } from "../state-in.ts";

/** A run with the ending that it is to be stored with. */
export interface EndingOfRun {
  readonly held: Held;
  readonly ending: Ending;
  /** The number of the turn's last event. */
  readonly endedStreamSeq: bigint;
  /** Its model is asked no more: messages that it has not read are turns again with the turn's end. */
  readonly isSpent?: boolean;
}

/** Endings of a turn that was asked to end. */
const STOPPED: ReadonlySet<Ending["state"]> = new Set(["CANCELLED", "INTERRUPTED"]);

/** With where what its agent said stands in what all said. */
interface Item extends EndingOfRun {
  readonly produced: Slice;
}

const COLUMNS: readonly Column<Item>[] = [
  { name: "tenant", type: "text", of: ({ held }) => held.tenant },
  { name: "session_key", type: "text", of: ({ held }) => held.sessionKey },
  { name: "turn_id", type: "uuid", of: ({ held }) => held.turnId },
  { name: "run_id", type: "uuid", of: ({ held }) => held.runId },
  { name: "state", type: "smallint", of: ({ ending }) => stateCode(ending.state) },
  { name: "error_reason", type: "text", of: ({ ending }) => ending.errorReason },
  { name: "error_message", type: "text", of: ({ ending }) => ending.errorMessage },
  { name: "reply", type: "bytea", of: ({ ending }) => ending.reply && messageBytes(ending.reply) },
  { name: "produced_from", type: "int", of: ({ produced }) => produced.from },
  { name: "produced_to", type: "int", of: ({ produced }) => produced.to },
  { name: "keeps_input", type: "boolean", of: ({ ending }) => ending.keepsInput },
  { name: "seeds", type: "boolean", of: ({ ending }) => ending.seeds },
  { name: "input_tokens", type: "bigint", of: ({ ending }) => ending.inputTokens },
  { name: "output_tokens", type: "bigint", of: ({ ending }) => ending.outputTokens },
  { name: "finish_reason", type: "text", of: ({ ending }) => ending.finishReason },
  { name: "model", type: "text", of: ({ ending }) => ending.model },
  { name: "ended_stream_seq", type: "bigint", of: ({ endedStreamSeq }) => endedStreamSeq },
  { name: "is_spent", type: "boolean", of: ({ isSpent = false }) => isSpent },
  { name: "stops", type: "boolean", of: ({ ending }) => STOPPED.has(ending.state) },
];

/** The parameter after the columns': what all the agents said, end to end. */
const PRODUCED = `($${COLUMNS.length + 1}::bytea[])`;

/**
 * Stores runs' endings before session-identity is told: step one of three. Under the turn's row, so
 * that a takeover either comes before, and this finds the turn gone, or after, and finds the ending.
 * The first ending that is stored stands, whoever stored it: session-identity may have been told. Until then
 * whoever asked that the turn be stopped is heard, though its run, at another replica, may not know yet.
 */
const PREPARE = batchStatement("runner_prepare", COLUMNS, (items) => {
  const { locks, from } = heldTurns(items);
  return `
WITH ${[items.item, ...locks].join(", ")}, turn AS (
  UPDATE turns t SET prepared_run_id = i.run_id, renewed_at = clock_timestamp()
  FROM ${from}
  WHERE t.tenant = i.tenant AND t.turn_id = i.turn_id AND t.run_id = i.run_id
    AND ${stateIn("t.state", "ACTIVE")} AND t.prepared_run_id IS NULL AND (t.stop IS NULL OR i.stops)
    AND (i.state <> ${stateCode("COMPLETED")} OR i.is_spent OR NOT EXISTS (
      SELECT FROM turns s WHERE s.tenant = i.tenant AND s.session_key = i.session_key
        AND ${isSteered("s")} AND s.into_turn_id = i.turn_id AND s.steer = 1))
  RETURNING i.place
)
UPDATE runs r SET prepared_state = i.state, error_reason = i.error_reason,
  error_message = i.error_message, reply = i.reply,
  produced = ${PRODUCED}[i.produced_from:i.produced_to], keeps_input = i.keeps_input, seeds = i.seeds,
  input_tokens = i.input_tokens, output_tokens = i.output_tokens, finish_reason = i.finish_reason,
  model = coalesce(nullif(i.model, ''), r.model), ended_stream_seq = i.ended_stream_seq
FROM turn JOIN item i USING (place)
WHERE r.tenant = i.tenant AND r.turn_id = i.turn_id AND r.run_id = i.run_id
RETURNING i.place::int`;
});

/** What came of storing an ending. */
export type PrepareResult =
  /** The ending that stands. */
  | { readonly kind: "stored"; readonly ending: Ending }
  /** A message that was handed to the turn is unread: the model gets another step. */
  | { readonly kind: "steered" }
  /** Somebody asked that the turn be stopped, and it ends as that says. */
  | { readonly kind: "stopped"; readonly stop: Stop; readonly note: string }
  /** The run holds the turn no more, and its work is dropped. */
  | { readonly kind: "lost" };

/** Endings of different turns. */
export async function prepareAll(
  sql: Sql,
  endings: readonly EndingOfRun[],
): Promise<readonly PrepareResult[]> {
  const produced = layEndToEnd(endings.map(({ ending }) => messagesBytes(ending.produced)));
  const items = endings.map((one, index) => ({
    produced: produced.slices[index] ?? { from: 1, to: 0 },
    ...one,
  }));
  const found = await PREPARE.rows<{ place: number }>(sql, items, produced.all);
  const stored = byPlace(found, endings.length);
  return Promise.all(
    endings.map(
      async (one, index): Promise<PrepareResult> =>
        stored[index] === undefined ? whyNot(sql, one) : { kind: "stored", ending: one.ending },
    ),
  );
}

const READ_HOLDER = {
  name: "runner_read_prepared_holder",
  text: `
SELECT prepared_run_id IS NOT NULL AS "isStored", stop, stop_note AS note FROM turns
WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}`,
};

interface Holder {
  readonly isStored: boolean;
  readonly stop: number | null;
  readonly note: string | null;
}

async function whyNot(sql: Sql, { held, ending }: EndingOfRun): Promise<PrepareResult> {
  const { tenant, turnId, runId } = held;
  const holder = await first<Holder>(sql, READ_HOLDER, [tenant, turnId, runId]);
  if (holder === undefined) return { kind: "lost" };
  const stored = holder.isStored ? (await readRun(sql, held))?.ending : undefined;
  if (stored !== undefined) return { kind: "stored", ending: stored };
  const stop = STOPPED.has(ending.state) ? undefined : stopOf(holder.stop);
  return stop === undefined
    ? { kind: "steered" }
    : { kind: "stopped", stop, note: holder.note ?? "" };
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
    // Of a run without an answer the row names the model that was to give it.
    model: row.reply === null ? "" : row.model,
  };
}
