import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { stateCode } from "../../domain/turn-state.ts";
import { messagesBytes, originBytes } from "../codec.ts";
import type { NewLaneTurn } from "./new-turn.ts";

/** How the turn that joined another begins. */
const JOINED = {
  /** Ended at once. */
  COALESCED: {
    state: stateCode("COALESCED"),
    disposition: Disposition.COALESCED,
    rest: "NULL::smallint, clock_timestamp(), 1",
  },
  /** Waits, tied to its host, until the host's end. */
  STEERED: {
    state: stateCode("QUEUED"),
    disposition: Disposition.STEERED,
    rest: "1::smallint, NULL::timestamptz, NULL::bigint",
  },
} as const;

/** The common table expressions that insert a turn which another one answers; `t` is the turn. */
export function insertJoined(how: keyof typeof JOINED): string {
  const { state, disposition, rest } = JOINED[how];
  return `lane AS (
  UPDATE lanes SET next_seq = next_seq + 1 WHERE tenant = $1 AND session_key = $4
  RETURNING next_seq - 1 AS lane_seq
), t AS (
  INSERT INTO turns (
    tenant, turn_id, agent_id, session_key, state, turn_class, disposition, on_conflict, lane_seq,
    front, principal, request_id, idempotency_key, trace_id, traceparent, origin, route_id,
    admitted_session_id, admitted_generation, required_generation, accept_time, seed, input,
    parameters, parent_turn_id, root_turn_id, call_chain, replica, into_turn_id, expire_time, steer,
    end_time, ended_stream_seq)
  SELECT $1, $3, $5, $4, ${state}, $6, ${disposition}, $7, lane.lane_seq,
    false, $8, $9, $10, $11, $12, $13, $14,
    $15, $16, $17, clock_timestamp(), '{}', $20::bytea[],
    $18, $19, $26, $21, $22, $2, clock_timestamp() + $25::bigint * interval '1 ms', ${rest}
  FROM lane
  RETURNING *
), known AS (
  INSERT INTO idempotency (tenant, principal, key, fingerprint, turn_id, is_generated, create_time)
  SELECT $1, $8, $10, $23, $3, $24, clock_timestamp()
)`;
}

export function joinedParams(
  turn: NewLaneTurn,
  hostTurnId: string,
  input: readonly Message[],
  replica: string,
): unknown[] {
  return [
    turn.tenant,
    hostTurnId,
    turn.turnId,
    turn.session.sessionKey,
    turn.agentId,
    turn.turnClass,
    turn.onConflict,
    turn.principal,
    turn.requestId,
    turn.idempotencyKey,
    turn.traceId,
    turn.traceparent,
    originBytes(turn.origin),
    turn.routeId,
    turn.session.sessionId,
    turn.session.generation,
    turn.requiredGeneration,
    turn.parameters,
    turn.parentTurnId ?? null,
    messagesBytes(input),
    turn.callChain,
    replica,
    turn.fingerprint,
    turn.keyIsGenerated,
    turn.maxWaitMs ?? null,
    turn.rootTurnId ?? null,
  ];
}
