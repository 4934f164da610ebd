import type { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";

/** A delivery as it is stored. */
export interface DeliveryRow {
  readonly deliveryId: string;
  readonly routeId: string;
  readonly routeSeq: bigint;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly traceId: string;
  readonly parts: readonly Uint8Array[];
  readonly state: DeliveryState;
  readonly attemptCount: number;
  readonly nextAttemptTime: Date | null;
  readonly lastError: string;
  readonly providerMessageId: string;
  readonly createTime: Date;
  readonly expireTime: Date;
  readonly endTime: Date | null;
  readonly pieceCount: number;
  readonly acceptedPieces: number;
  readonly gapBefore: number;
  readonly dismissTime: Date | null;
  /** Empty where it is called by its own id at session-identity. */
  readonly fenceId: string;
}

/** Selects a DeliveryRow. */
export const DELIVERY_COLUMNS = `delivery_id AS "deliveryId", route_id AS "routeId",
  route_seq AS "routeSeq", session_key AS "sessionKey", session_id AS "sessionId", generation,
  turn_id AS "turnId", trace_id AS "traceId", parts, state, attempt_count AS "attemptCount",
  CASE WHEN state = 1 THEN next_attempt_time END AS "nextAttemptTime", last_error AS "lastError",
  provider_message_id AS "providerMessageId", create_time AS "createTime",
  expire_time AS "expireTime", end_time AS "endTime", piece_count AS "pieceCount",
  accepted_pieces AS "acceptedPieces", coalesce(gap_before, 0) AS "gapBefore",
  dismiss_time AS "dismissTime", coalesce(fence_id::text, '') AS "fenceId"`;
