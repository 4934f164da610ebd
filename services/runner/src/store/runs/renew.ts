import { byPlace, type Column, UNHURRIED } from "@lanekeeper/postgres";
import type { Held } from "../lanes/claim-head.ts";
import { batchStatement } from "../batch-statement.ts";
import { rows, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";
import { type Stop, stopOf } from "../turn-row.ts";
import { heldTurns } from "./held-turns.ts";

/** A turn that a run holds, stateless ones too. */
export type HeldTurn = Pick<Held, "tenant" | "turnId" | "runId">;

const COLUMNS: readonly Column<HeldTurn>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "turn_id", type: "uuid", of: ({ turnId }) => turnId },
  { name: "run_id", type: "uuid", of: ({ runId }) => runId },
];

const RENEW = batchStatement("runner_renew", COLUMNS, (items) => {
  const { locks, from } = heldTurns(items);
  return `
WITH ${[UNHURRIED, items.item, ...locks].join(", ")}, renewed AS (
  UPDATE turns t SET renewed_at = clock_timestamp() FROM ${from}
  WHERE t.tenant = i.tenant AND t.turn_id = i.turn_id AND t.run_id = i.run_id
    AND ${stateIn("t.state", "QUEUED", "ACTIVE")}
  RETURNING i.place
)
SELECT renewed.place::int FROM renewed, unhurried`;
});

/** Moves the hint for sweepers, of several turns at once. False: the run holds the turn no more. */
export async function renewAll(sql: Sql, held: readonly HeldTurn[]): Promise<readonly boolean[]> {
  const found = await RENEW.rows<{ place: number }>(sql, held);
  return byPlace(found, held.length).map((row) => row !== undefined);
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
export async function readStops(sql: Sql, runs: readonly HeldTurn[]): Promise<StopRequest[]> {
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
