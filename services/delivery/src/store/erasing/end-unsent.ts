import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { stateCode } from "../../domain/delivery-state.ts";
import { HEAD_DUE } from "../sending/unblock.ts";
import type { Sql } from "../sql.ts";

/** Why replies are not sent any more. */
export interface NotToBeSent {
  /** `stale`: what they say is erased. `refused`: it is not, and the address to which they were to go is. */
  readonly outcome: "stale" | "refused";
  readonly error: string;
}

/**
 * As an attempt would have ended them that had asked: of what was reset away before it was claimed nothing is left to
 * doubt, and what fails is a dead letter, unless it perhaps arrived. session-identity is told like of any attempt.
 */
const END = {
  name: "delivery_end_unsent",
  text: `
WITH ended AS (
  UPDATE deliveries SET state = CASE
      WHEN $3 = 'stale' AND NOT was_claimed THEN ${stateCode("SUPPRESSED_STALE")}
      WHEN $3 = 'refused' AND NOT perhaps_sent THEN ${stateCode("FAILED")}
      ELSE ${stateCode("UNKNOWN")} END,
    attempt_count = attempt_count + 1, next_attempt_time = NULL, end_time = clock_timestamp(), last_error = $4
  WHERE tenant = $1 AND delivery_id = ANY ($2::uuid[]) AND state = ${stateCode("PENDING")}
  RETURNING tenant, delivery_id, attempt_count, end_time, state
)
INSERT INTO attempts (tenant, delivery_id, attempt, replica, start_time, end_time, outcome, error, untold)
SELECT tenant, delivery_id, attempt_count, '', end_time, end_time, $3, $4, CASE state
  WHEN ${stateCode("SUPPRESSED_STALE")} THEN ${ReplyState.SUPPRESSED_STALE}
  WHEN ${stateCode("FAILED")} THEN ${ReplyState.FAILED}
  ELSE ${ReplyState.UNKNOWN} END
FROM ended`,
};

/** Ends those of these replies that wait, without an attempt to send them. Their routes' rows are locked. */
export async function endUnsent(
  sql: Sql,
  tenant: string,
  deliveryIds: readonly string[],
  { outcome, error }: NotToBeSent,
): Promise<void> {
  if (deliveryIds.length === 0) return;
  await sql.query(END, [tenant, deliveryIds, outcome, error]);
}

const GO_ON = {
  name: "delivery_go_on_without",
  text: `
UPDATE routes r SET gap_count = r.gap_count + g.gaps,
  due_time = CASE
    WHEN r.blocked_by IS NOT NULL THEN r.due_time
    WHEN EXISTS (SELECT FROM deliveries s WHERE s.tenant = r.tenant AND s.route_id = r.route_id
      AND s.route_seq >= r.head_seq AND s.state = ${stateCode("SENDING")}) THEN coalesce(r.due_time, ${HEAD_DUE})
    ELSE ${HEAD_DUE} END
FROM (SELECT route_id, sum(gap)::int AS gaps
  FROM unnest($2::uuid[], $3::int[]) AS i (route_id, gap) GROUP BY route_id) g
WHERE r.tenant = $1 AND r.route_id = g.route_id`,
};

/** A reply that waits no more. */
export interface LeftOut {
  readonly routeId: string;
  /** Dead letters of which it would have told: the next one does. */
  readonly gapBefore: number;
}

/**
 * Routes go on without these. While another reply is being sent there, its end or its lease tells when; a dead letter
 * that holds a route holds it still. The routes' rows are locked.
 */
export async function goOnWithout(
  sql: Sql,
  tenant: string,
  left: readonly LeftOut[],
): Promise<void> {
  if (left.length === 0) return;
  const routeIds = left.map(({ routeId }) => routeId);
  const gaps = left.map(({ gapBefore }) => gapBefore);
  await sql.query(GO_ON, [tenant, routeIds, gaps]);
}
