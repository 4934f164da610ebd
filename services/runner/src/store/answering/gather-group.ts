import type { Origin } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LIMITS } from "../../limits.ts";
import type { Held } from "../lanes/claim-head.ts";
import { originOf } from "../codec.ts";
import { lockLane } from "../lanes/lane-row.ts";
import { rows, type RunnerDatabase } from "../sql.ts";
import { isWaiting, stateIn } from "../state-in.ts";

/**
 * What waits right behind the host, in the order in which it came: a system's turn goes its own way, and
 * so does what goes first. `fits` says whether it might be the host's own, its group apart: as what a
 * waiting turn takes in by COALESCE.
 */
const BEHIND = {
  name: "runner_behind_host",
  text: `
SELECT w.turn_id AS "turnId", w.origin,
  w.run_count = 0 AND w.stop IS NULL AND w.principal = h.principal AND w.route_id = h.route_id
    AND w.parameters = h.parameters AND w.admitted_generation = h.admitted_generation
    AND w.required_generation = h.required_generation AS fits
FROM turns h JOIN turns w ON w.tenant = h.tenant AND w.session_key = h.session_key
  AND w.turn_class = h.turn_class
WHERE h.tenant = $1 AND h.turn_id = $2 AND h.run_id = $3 AND ${stateIn("h.state", "ACTIVE")}
  AND ${isWaiting("w")} AND NOT w.front
ORDER BY w.lane_seq LIMIT $4`,
};

const TIE = {
  name: "runner_tie_to_host",
  text: `
WITH tied AS (
  UPDATE turns SET steer = 1, into_turn_id = $3 WHERE tenant = $1 AND turn_id = ANY ($4::uuid[])
  RETURNING turn_id
)
UPDATE lanes SET depth = depth - (SELECT count(*) FROM tied) WHERE tenant = $1 AND session_key = $2`,
};

/**
 * Hands the turns of a group that wait right behind the active one to it, as if they had been steered into
 * it; one that waits between them ends it, so nothing is overtaken. Gives where they came from; nothing where the
 * lane is not this run's any more.
 */
export function gatherGroup(
  db: RunnerDatabase,
  host: Held,
  groupId: string,
): Promise<readonly Origin[]> {
  const { tenant, sessionKey, turnId, runId } = host;
  return db.transaction(async (sql) => {
    const lane = await lockLane(sql, tenant, sessionKey);
    if (lane?.activeTurnId !== turnId || lane.holderRunId !== runId) return [];
    type Row = { readonly turnId: string; readonly origin: Buffer; readonly fits: boolean };
    const behind = await rows<Row>(sql, BEHIND, [tenant, turnId, runId, LIMITS.steersPerTurn]);
    const read = behind.map((row) => ({ ...row, origin: originOf(row.origin) }));
    const end = read.findIndex(({ origin, fits }) => !fits || origin.groupId !== groupId);
    const tied = read.slice(0, end === -1 ? undefined : end);
    const ids = tied.map((row) => row.turnId);
    if (ids.length > 0) await sql.query(TIE, [tenant, sessionKey, turnId, ids]);
    return tied.map(({ origin }) => origin);
  });
}
