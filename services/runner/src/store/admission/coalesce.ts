import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { insertJoined, joinedParams } from "./insert-joined.ts";
import type { NewLaneTurn } from "./new-turn.ts";
import { first, type Sql } from "../sql.ts";
import { isQueued } from "../state-in.ts";
import { type StoredTurn, TURN_COLUMNS, type TurnRow, turnOf } from "../turn-row.ts";

const FIND_HOST = {
  name: "runner_find_host",
  text: `
SELECT last.turn_id AS "turnId", cardinality(last.input) AS messages,
  (SELECT coalesce(sum(octet_length(m)), 0) FROM unnest(last.input) m)::int AS bytes
FROM (
  SELECT * FROM turns
  WHERE tenant = $1 AND session_key = $2 AND ${isQueued("turns")} AND steer IS NULL AND NOT front
  ORDER BY lane_seq DESC LIMIT 1
) last
WHERE last.run_id IS NULL AND last.run_count = 0 AND last.stop IS NULL AND last.child_turn_id IS NULL AND last.principal = $3 AND last.route_id = $4
  AND last.turn_class = $5 AND last.parameters = $6 AND last.admitted_generation = $7
  AND last.admitted_session_id = $10 AND last.required_generation = $9
  AND last.expire_time IS NULL AND $11::bigint IS NULL
  AND last.accept_time > clock_timestamp() - $8 * interval '1 ms'`,
};

/** A turn that may take in another one, and what it holds already. */
export interface CoalesceHost {
  readonly turnId: string;
  readonly messages: number;
  readonly bytes: number;
}

/**
 * The last waiting turn of the lane, those in front apart: what did not ask to go first would else be answered before
 * what was accepted before it. If it is of the same principal, route, class, parameters, session and
 * generation, required or not, never had a run, is not to be stopped, tells of no subagent and is not older
 * than the debounce. Each of two with a `max_wait` has a moment of its own at which it fails, so neither takes
 * in another. Read under the lane's lock.
 */
export function findHost(
  sql: Sql,
  turn: NewLaneTurn,
  debounceMs: number,
): Promise<CoalesceHost | undefined> {
  return first(sql, FIND_HOST, [
    turn.tenant,
    turn.session.sessionKey,
    turn.principal,
    turn.routeId,
    turn.turnClass,
    turn.parameters,
    turn.session.generation,
    debounceMs,
    turn.requiredGeneration,
    turn.session.sessionId,
    turn.maxWaitMs,
  ]);
}

const COALESCE = {
  name: "runner_coalesce",
  text: `
WITH host AS (
  UPDATE turns SET input = input || $20::bytea[] WHERE tenant = $1 AND turn_id = $2
), ${insertJoined("COALESCED")}
SELECT ${TURN_COLUMNS} FROM t`,
};

/** Adds the messages to the host's, and records the turn as answered by it. Under the lane's lock. */
export async function coalesceInto(
  sql: Sql,
  turn: NewLaneTurn,
  hostTurnId: string,
  input: readonly Message[],
  replica: string,
): Promise<StoredTurn> {
  const row = await first<TurnRow>(sql, COALESCE, joinedParams(turn, hostTurnId, input, replica));
  if (row === undefined) throw new Error("a lane that is locked is gone; lanes are never removed");
  return turnOf(row);
}
