import { lockOrCreateLane } from "./lane-row.ts";
import { first, type RunnerDatabase, type Sql } from "../sql.ts";
import { isQueued, isSteered, stateIn } from "../state-in.ts";

/**
 * A turn that asks for its generation stays where it is, with what was handed to it: no run will be granted
 * there, so it fails. Asked to go with another one, it is a turn of its own again. Claims that never began go with the rest, and so do messages that were handed to a turn before it was
 * given back; an active turn is ended by its own run.
 */
const MOVE = {
  name: "runner_move_waiting",
  text: `
WITH waiting AS (
  SELECT turn_id, lane_seq FROM turns
  WHERE tenant = $1 AND session_key = $2 AND ${isQueued("turns")} AND steer IS NULL AND required_generation = 0
), tied AS (
  SELECT s.turn_id, s.lane_seq FROM turns s JOIN waiting w ON s.into_turn_id = w.turn_id
  WHERE s.tenant = $1 AND s.session_key = $2 AND ${isSteered("s")} AND s.required_generation = 0
), going AS (
  SELECT turn_id, is_tied, row_number() OVER (ORDER BY lane_seq) - 1 AS place FROM (
    SELECT *, false AS is_tied FROM waiting UNION ALL SELECT *, true FROM tied) g
), staying AS (
  SELECT count(*) AS count FROM turns t JOIN lanes l USING (tenant, session_key)
  WHERE t.tenant = $1 AND t.session_key = $2 AND ${isQueued("t")} AND t.steer IS NULL
    AND t.required_generation <> 0 AND t.turn_id IS DISTINCT FROM l.active_turn_id
), survivor AS (
  UPDATE lanes SET next_seq = next_seq + (SELECT count(*) FROM going),
    depth = depth + (SELECT count(*) FROM waiting)
  WHERE tenant = $1 AND session_key = $3
  RETURNING next_seq - (SELECT count(*) FROM going) AS first_seq
), gone AS (
  UPDATE turns t SET session_key = $3, lane_seq = survivor.first_seq + going.place, front = false,
    admitted_session_id = $4, admitted_generation = $5, run_id = NULL
  FROM going, survivor
  WHERE t.tenant = $1 AND t.turn_id = going.turn_id AND ${stateIn("t.state", "QUEUED")}
  RETURNING t.turn_id, going.is_tied
), moved AS (
  SELECT turn_id FROM gone WHERE NOT is_tied
), untied AS (
  UPDATE turns s SET steer = NULL, into_turn_id = NULL
  FROM waiting w
  WHERE s.tenant = $1 AND s.session_key = $2 AND s.into_turn_id = w.turn_id
    AND ${isSteered("s")} AND s.required_generation <> 0
  RETURNING s.turn_id
)
UPDATE lanes l SET depth = (SELECT count FROM staying) + (SELECT count(*) FROM untied),
  active_turn_id = CASE WHEN l.active_turn_id IN (SELECT turn_id FROM moved) THEN NULL ELSE l.active_turn_id END,
  holder_run_id = CASE WHEN l.active_turn_id IN (SELECT turn_id FROM moved) THEN NULL ELSE l.holder_run_id END
WHERE l.tenant = $1 AND l.session_key = $2
RETURNING (SELECT count(*) FROM moved)::int AS count`,
};

/**
 * Puts a merged key's waiting turns behind the survivor's, in order, but for those that ask for their
 * generation. Gives how many.
 */
export function moveWaiting(
  db: RunnerDatabase,
  tenant: string,
  fromKey: string,
  to: { readonly sessionKey: string; readonly sessionId: string; readonly generation: bigint },
): Promise<number> {
  return db.transaction(async (sql: Sql) => {
    // Both lanes in key order: two merges that meet cannot wait for each other.
    for (const key of [fromKey, to.sessionKey].toSorted()) await lockOrCreateLane(sql, tenant, key);
    await sql.query(MOVE_EDGES, [tenant, fromKey, to.sessionKey]);
    const params = [tenant, fromKey, to.sessionKey, to.sessionId, to.generation];
    return (await first<{ count: number }>(sql, MOVE, params))?.count ?? 0;
  });
}

const MOVE_EDGES = {
  name: "runner_move_wait_edges",
  text: "UPDATE wait_edges SET to_key = $3 WHERE tenant = $1 AND to_key = $2",
};
