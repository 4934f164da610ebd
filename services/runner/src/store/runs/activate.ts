import { byPlace, type Column, UNHURRIED } from "@lanekeeper/postgres";
import { stateCode } from "../../domain/turn-state.ts";
import type { Held } from "../lanes/claim-head.ts";
import { batchStatement } from "../batch-statement.ts";
import { heldTurns } from "./held-turns.ts";
import { first, type RunnerDatabase, type Sql } from "../sql.ts";
import { mayBecomeFrom, stateIn } from "../state-in.ts";
import { type Stop, stopOf } from "../turn-row.ts";

const ACTIVE = stateCode("ACTIVE");

/** A holding run that was granted its key. */
export interface GrantedRun extends Held {
  readonly sessionId: string;
  readonly generation: bigint;
  readonly runEpoch: bigint;
  readonly replica: string;
  /** That it sets out to ask; left out: not known yet. */
  readonly model?: string;
}

/** A run that has begun. */
export interface Begun {
  /** Of the run within its turn, from 1. */
  readonly ordinal: number;
  /** Somebody asked for the end meanwhile. */
  readonly stop: Stop | undefined;
  readonly stopNote: string;
}

const INSERT_RUN = `
  INSERT INTO runs (tenant, turn_id, run_id, ordinal, session_id, generation, run_epoch, replica, start_time,
    model)
  SELECT $1, $2, $3, turn.run_count, $4, $5, $6, $7, clock_timestamp(), $10 FROM turn`;

const COLUMNS: readonly Column<GrantedRun>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "turn_id", type: "uuid", of: ({ turnId }) => turnId },
  { name: "run_id", type: "uuid", of: ({ runId }) => runId },
  { name: "session_id", type: "text", of: ({ sessionId }) => sessionId },
  { name: "generation", type: "bigint", of: ({ generation }) => generation },
  { name: "run_epoch", type: "bigint", of: ({ runEpoch }) => runEpoch },
  { name: "replica", type: "text", of: ({ replica }) => replica },
  { name: "model", type: "text", of: ({ model }) => model ?? "" },
];

/** Lost, the turn is a claim again, which its run finds out when it wants to end it. */
const ACTIVATE = batchStatement("runner_activate", COLUMNS, (items) => {
  const { locks, from } = heldTurns(items);
  return `
WITH ${[UNHURRIED, items.item, ...locks].join(", ")}, turn AS (
  UPDATE turns t SET state = ${ACTIVE}, session_id = i.session_id, generation = i.generation,
    replica = i.replica, run_count = t.run_count + 1, renewed_at = clock_timestamp()
  FROM ${from}
  WHERE t.tenant = i.tenant AND t.turn_id = i.turn_id AND t.run_id = i.run_id
    AND ${mayBecomeFrom("t.state", "ACTIVE")}
  RETURNING i.place, t.run_count, t.stop, t.stop_note
), run AS (
  INSERT INTO runs (tenant, turn_id, run_id, ordinal, session_id, generation, run_epoch, replica, start_time,
    model)
  SELECT i.tenant, i.turn_id, i.run_id, turn.run_count, i.session_id, i.generation, i.run_epoch,
    i.replica, clock_timestamp(), i.model
  FROM turn JOIN item i USING (place)
)
SELECT turn.place::int, turn.run_count, turn.stop, turn.stop_note FROM turn, unhurried`;
});

const READ_BEGUN = {
  name: "runner_read_begun",
  text: `
SELECT run_count, stop, stop_note FROM turns
WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}`,
};

/** Of a run that is asked for again, since the answer was lost; undefined: it never began, or is over. */
async function readBegun(
  sql: Sql,
  { tenant, turnId, runId }: Pick<Held, "tenant" | "turnId" | "runId">,
): Promise<Begun | undefined> {
  return begun(await first<BegunRow>(sql, READ_BEGUN, [tenant, turnId, runId]));
}

/** Claimed turns whose runs were granted, of different lanes. Undefined: the claim was lost meanwhile. */
export async function activateAll(
  sql: Sql,
  runs: readonly GrantedRun[],
): Promise<readonly (Begun | undefined)[]> {
  const found = await ACTIVATE.rows<BegunRow & { place: number }>(sql, runs);
  const rows = byPlace(found, runs.length);
  const answers: (Begun | undefined)[] = [];
  for (const [index, run] of runs.entries()) {
    answers.push(begun(rows[index]) ?? (await readBegun(sql, run)));
  }
  return answers;
}

/**
 * A turn whose holder died changes hands only after the new run was granted, and only while no ending
 * of the old one is stored: a stored ending may have been accepted, and is carried through instead.
 * Lane first, then turn, like everybody.
 */
const TAKE_OVER = {
  name: "runner_take_over",
  text: `
WITH lane AS (
  UPDATE lanes SET holder_run_id = $3
  WHERE tenant = $1 AND session_key = $9 AND holder_run_id = $8 AND active_turn_id = $2
    AND EXISTS (SELECT FROM turns WHERE tenant = $1 AND turn_id = $2 AND prepared_run_id IS NULL)
  RETURNING tenant
), turn AS (
  UPDATE turns t SET state = ${ACTIVE}, run_id = $3, session_id = $4, generation = $5, replica = $7,
    run_count = t.run_count + 1, renewed_at = clock_timestamp()
  FROM lane
  WHERE t.tenant = $1 AND t.turn_id = $2 AND t.run_id = $8 AND t.prepared_run_id IS NULL
    AND ${stateIn("t.state", "QUEUED", "ACTIVE")}
  RETURNING t.run_count, t.stop, t.stop_note
), run AS (${INSERT_RUN})
SELECT * FROM turn`,
};

/** Undefined: the turn is not the dead run's any more, or its ending is stored. */
export function takeOver(
  db: RunnerDatabase,
  run: GrantedRun,
  deadRunId: string,
): Promise<Begun | undefined> {
  return db
    .transaction(async (sql) => {
      const row = await first<BegunRow>(sql, TAKE_OVER, [
        ...paramsOf(run),
        deadRunId,
        run.sessionKey,
        run.model ?? "",
      ]);
      // The lane may have been given to the run while the turn was not: undo both.
      if (row === undefined) throw new LostRace();
      return begun(row);
    })
    .catch((error: unknown) => {
      if (error instanceof LostRace) return readBegun(db, run);
      throw error;
    });
}

class LostRace extends Error {}

function paramsOf(run: GrantedRun): unknown[] {
  const { tenant, turnId, runId, sessionId, generation, runEpoch, replica } = run;
  return [tenant, turnId, runId, sessionId, generation, runEpoch, replica];
}

interface BegunRow {
  readonly run_count: number;
  readonly stop: number | null;
  readonly stop_note: string | null;
}

function begun(row: BegunRow | undefined): Begun | undefined {
  if (row === undefined) return undefined;
  return { ordinal: row.run_count, stop: stopOf(row.stop), stopNote: row.stop_note ?? "" };
}
