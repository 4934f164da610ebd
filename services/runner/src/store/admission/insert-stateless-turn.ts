import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { messagesBytes, originBytes } from "../codec.ts";
import type { NewTurn } from "./new-turn.ts";
import { first, type Sql } from "../sql.ts";

/**
 * A turn without a session is held from the first moment by a lease on its own row: it has no lane, so
 * nobody could take it over. No row comes back where the key is known.
 */
const INSERT_STATELESS_TURN = {
  name: "runner_insert_stateless_turn",
  text: `
WITH turn AS (
  INSERT INTO turns (
    tenant, turn_id, agent_id, state, turn_class, disposition, on_conflict, lane_seq, front,
    principal, request_id, idempotency_key, trace_id, traceparent, origin, route_id,
    admitted_session_id, admitted_generation, required_generation, accept_time, seed, input,
    parameters, parent_turn_id, call_chain, run_id, replica, renewed_at, run_count)
  SELECT $1, $2, $3, 2, $4, ${Disposition.STATELESS}, $5, 0, false,
    $6, $7, $8, $9, $10, $11, '', '', 0, 0, clock_timestamp(), '{}', $12,
    $13, $14, $15, $16, $17, clock_timestamp(), 1
  WHERE NOT EXISTS (SELECT FROM idempotency WHERE tenant = $1 AND principal = $6 AND key = $8)
  RETURNING accept_time
), run AS (
  INSERT INTO runs (tenant, turn_id, run_id, ordinal, session_id, generation, run_epoch, replica, start_time)
  SELECT $1, $2, $16, 1, '', 0, 0, $17, turn.accept_time FROM turn
), known AS (
  INSERT INTO idempotency (tenant, principal, key, fingerprint, turn_id, is_generated, create_time)
  SELECT $1, $6, $8, $18, $2, $19, turn.accept_time FROM turn
)
SELECT accept_time FROM turn`,
};

/** Admits a turn without a session, already held by this run; undefined: the key is known. */
export async function insertStatelessTurn(
  sql: Sql,
  turn: NewTurn,
  held: { readonly runId: string; readonly replica: string },
): Promise<{ readonly acceptTime: Date } | undefined> {
  const row = await first<{ accept_time: Date }>(sql, INSERT_STATELESS_TURN, [
    turn.tenant,
    turn.turnId,
    turn.agentId,
    turn.turnClass,
    turn.onConflict,
    turn.principal,
    turn.requestId,
    turn.idempotencyKey,
    turn.traceId,
    turn.traceparent,
    originBytes(turn.origin),
    messagesBytes(turn.messages),
    turn.parameters,
    turn.parentTurnId ?? null,
    turn.callChain,
    held.runId,
    held.replica,
    turn.fingerprint,
    turn.keyIsGenerated,
  ]);
  return row && { acceptTime: row.accept_time };
}
