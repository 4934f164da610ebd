import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { firstStreamSeq } from "../../domain/stream-seq.ts";
import { stateCode } from "../../domain/turn-state.ts";
import type { NewLaneTurn } from "./new-turn.ts";
import { first, type Sql } from "../sql.ts";
import { isWaiting } from "../state-in.ts";

/**
 * What has begun is not dropped, nor what goes first, nor a subagent's result, which nobody would send
 * again; and the system's turns make no person's give way.
 */
const DROP_OLDEST = {
  name: "runner_drop_oldest",
  text: `
WITH victim AS (
  SELECT turn_id FROM turns
  WHERE tenant = $1 AND session_key = $2 AND ${isWaiting("turns")}
    AND run_count = 0 AND NOT front AND child_turn_id IS NULL
    AND ($3 = ${TurnClass.PERSON} OR turn_class = ${TurnClass.SYSTEM})
  ORDER BY lane_seq LIMIT 1
), turn AS (
  UPDATE turns t SET state = ${stateCode("SKIPPED")}, end_time = clock_timestamp(),
    error_reason = 'TURN_SKIPPED', error_message = $4, ended_stream_seq = $5
  FROM victim WHERE t.tenant = $1 AND t.turn_id = victim.turn_id
  RETURNING t.turn_id
)
UPDATE lanes l SET depth = l.depth - 1 FROM turn
WHERE l.tenant = $1 AND l.session_key = $2
RETURNING turn.turn_id AS "turnId"`,
};

/** Makes room for a turn, under the lane's lock. Undefined: nothing may be dropped for it. */
export async function dropOldest(sql: Sql, turn: NewLaneTurn): Promise<string | undefined> {
  const { tenant, session, turnClass, turnId } = turn;
  const message = `the lane was full, and the turn ${turnId} took its place`;
  const params = [tenant, session.sessionKey, turnClass, message, firstStreamSeq(1)];
  return (await first<{ turnId: string }>(sql, DROP_OLDEST, params))?.turnId;
}
