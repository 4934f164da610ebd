import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { messagesBytes, originBytes } from "./codec.ts";
import type { Admission, NewLaneTurn } from "./new-turn.ts";
import { first, type Sql } from "./sql.ts";

/** How a turn was accepted. */
export interface Admitted {
  readonly laneSeq: bigint;
  readonly isClaimed: boolean;
  /** Turns before it. */
  readonly position: number;
  readonly acceptTime: Date;
}

/**
 * The whole admission in one statement, so that a turn costs one round trip and one flush to disk, and
 * a refusal (no row comes back) changed nothing. The upsert locks the lane; a free lane is claimed in
 * passing. A repeat is seen by the look-up; two that race are told apart by the unique key, whose
 * violation undoes all of it.
 */
const INSERT_LANE_TURN = {
  name: "runner_insert_lane_turn",
  text: `
WITH lane AS (
  INSERT INTO lanes AS l (tenant, session_key, next_seq, depth, active_turn_id, holder_run_id)
  SELECT $1, $2, 2,
    CASE WHEN $6::uuid IS NULL THEN 1 ELSE 0 END,
    CASE WHEN $6::uuid IS NULL THEN NULL ELSE $5::uuid END,
    $6::uuid
  WHERE NOT EXISTS (SELECT FROM idempotency WHERE tenant = $1 AND principal = $3 AND key = $4)
  ON CONFLICT (tenant, session_key) DO UPDATE SET
    next_seq = l.next_seq + 1,
    depth = l.depth
      + CASE WHEN $6::uuid IS NOT NULL AND l.holder_run_id IS NULL AND l.depth = 0 THEN 0 ELSE 1 END,
    active_turn_id = CASE WHEN l.holder_run_id IS NULL AND l.depth = 0 AND $6::uuid IS NOT NULL
      THEN $5::uuid ELSE l.active_turn_id END,
    holder_run_id = CASE WHEN l.holder_run_id IS NULL AND l.depth = 0
      THEN $6::uuid ELSE l.holder_run_id END
  WHERE (l.holder_run_id IS NULL AND l.depth = 0) OR ($8 AND l.depth < $9)
  RETURNING l.next_seq - 1 AS lane_seq, l.holder_run_id, l.depth
), turn AS (
  INSERT INTO turns (
    tenant, turn_id, agent_id, session_key, state, turn_class, disposition, on_conflict, lane_seq,
    front, principal, request_id, idempotency_key, trace_id, traceparent, origin, route_id,
    admitted_session_id, admitted_generation, required_generation, accept_time, expire_time,
    seed, input, parameters, parent_turn_id, call_chain, run_id, replica, renewed_at)
  SELECT $1, $5, $10, $2, 1, $11,
    CASE WHEN lane.holder_run_id = $6 THEN ${Disposition.STARTED} ELSE ${Disposition.QUEUED} END,
    $12, lane.lane_seq,
    $7, $3, $13, $4, $14, $15, $16, $17,
    $18, $19, $20, clock_timestamp(), clock_timestamp() + $21::bigint * interval '1 ms',
    $22, $23, $24, $25, $26,
    CASE WHEN lane.holder_run_id = $6 THEN $6 END, $27,
    CASE WHEN lane.holder_run_id = $6 THEN clock_timestamp() END
  FROM lane
  RETURNING accept_time
), known AS (
  INSERT INTO idempotency (tenant, principal, key, fingerprint, turn_id, is_generated, create_time)
  SELECT $1, $3, $4, $28, $5, $29, turn.accept_time FROM turn
)
SELECT lane.lane_seq, coalesce(lane.holder_run_id = $6, false) AS is_claimed, turn.accept_time,
  CASE WHEN lane.holder_run_id = $6 THEN 0 ELSE
    (lane.holder_run_id IS NOT NULL)::int + (
      SELECT count(*) FROM turns t
      WHERE t.tenant = $1 AND t.session_key = $2 AND t.state = 1 AND t.run_id IS NULL
        AND t.steer IS NULL
        AND (t.front OR NOT $7)
        AND (t.front OR t.turn_class = ${TurnClass.PERSON} OR $11 = ${TurnClass.SYSTEM}))::int
  END AS position
FROM lane, turn`,
};

interface Row {
  readonly lane_seq: bigint;
  readonly is_claimed: boolean;
  readonly position: number;
  readonly accept_time: Date;
}

/**
 * Admits a turn into its lane; undefined: it was refused, and nothing was changed.
 * @throws the unique violation of `idempotency_pkey` where a twin won the race.
 */
export async function insertLaneTurn(
  sql: Sql,
  turn: NewLaneTurn,
  admission: Admission,
): Promise<Admitted | undefined> {
  const row = await first<Row>(sql, INSERT_LANE_TURN, paramsOf(turn, admission));
  return (
    row && {
      laneSeq: row.lane_seq,
      isClaimed: row.is_claimed,
      position: row.position,
      acceptTime: row.accept_time,
    }
  );
}

function paramsOf(turn: NewLaneTurn, admission: Admission): unknown[] {
  return [
    turn.tenant,
    turn.session.sessionKey,
    turn.principal,
    turn.idempotencyKey,
    turn.turnId,
    admission.claimRunId ?? null,
    admission.front,
    admission.mayWait,
    admission.maxWaiting,
    turn.agentId,
    turn.turnClass,
    turn.onConflict,
    turn.requestId,
    turn.traceId,
    turn.traceparent,
    originBytes(turn.origin),
    turn.routeId,
    turn.session.sessionId,
    turn.session.generation,
    turn.requiredGeneration,
    turn.maxWaitMs ?? null,
    messagesBytes(admission.seed),
    messagesBytes(admission.input),
    turn.parameters,
    turn.parentTurnId ?? null,
    turn.callChain,
    admission.replica,
    turn.fingerprint,
    turn.keyIsGenerated,
  ];
}
