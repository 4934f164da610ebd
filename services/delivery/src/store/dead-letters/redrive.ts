import { DeadLetterActKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { first, type DeliveryDatabase } from "../sql.ts";
import { HEAD_DUE } from "../sending/unblock.ts";
import { type ActRow, recordAct } from "./record-act.ts";

/** A dead letter to be sent again. */
export interface Redrive {
  readonly tenant: string;
  readonly deliveryId: string;
  readonly routeId: string;
  readonly requestId: string;
  readonly expireMs: number;
  /** The session under which it goes out; undefined: the one that committed it. */
  readonly session?: { readonly sessionId: string; readonly generation: bigint } | undefined;
  /** What it is called at session-identity under that session, which knows it by its own already. */
  readonly fenceId: string;
  readonly principal: string;
  readonly note: string;
}

const LOCK_ROUTE = {
  name: "delivery_lock_route_to_redrive",
  text: `SELECT 1 FROM routes WHERE tenant = $1 AND route_id = $2 FOR UPDATE`,
};

const REDRIVE = {
  name: "delivery_redrive",
  text: `
UPDATE deliveries d SET state = 1, end_time = NULL, dismiss_time = NULL, failure_count = 0, unavailable_count = 0,
  may_resend = true, next_attempt_time = clock_timestamp(), redrive_id = $3,
  expire_time = clock_timestamp() + $4 * interval '1 millisecond',
  session_id = coalesce($5::text, d.session_id), generation = coalesce($6::bigint, d.generation),
  fence_id = coalesce($7::uuid, d.fence_id)
FROM (SELECT state, generation FROM deliveries WHERE tenant = $1 AND delivery_id = $2 FOR UPDATE) before
WHERE d.tenant = $1 AND d.delivery_id = $2 AND before.state IN (4, 5) AND d.redrive_id <> $3
  AND NOT EXISTS (SELECT 1 FROM attempts a
    WHERE a.tenant = $1 AND a.delivery_id = $2 AND a.untold IS NOT NULL)
RETURNING before.state AS "previousState", before.generation AS "previousGeneration"`,
};

/**
 * Dead letters of the route `r` of which the reply at a place has to tell: those behind the last before it that
 * arrived, or that tells or will tell of those before it itself, as one that is redriven does. What was reset away
 * is none.
 */
const untoldBefore = (place: string): string => `(
  SELECT count(*) FROM deliveries d
  WHERE d.tenant = r.tenant AND d.route_id = r.route_id AND d.state IN (4, 5) AND d.route_seq < ${place}
    AND d.route_seq > coalesce((
      SELECT max(t.route_seq) FROM deliveries t
      WHERE t.tenant = r.tenant AND t.route_id = r.route_id AND t.route_seq < ${place}
        AND (t.state = 3 OR t.delivery_id = r.blocked_by OR (t.state IN (1, 2) AND t.gap_before IS NOT NULL))), 0)
  AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.tenant = d.tenant AND a.delivery_id = d.delivery_id
    AND a.attempt = d.attempt_count AND a.outcome = 'stale')
)`;

/**
 * What is redriven is missing no more, neither to those behind it that were redriven before, nor, once it is,
 * to itself those before it; nor to the one that blocks the route, which tells in its place when it is left out.
 * What may have arrived in part is the same text at each attempt.
 */
const TELL_ANEW = {
  name: "delivery_tell_gaps_anew",
  text: `
UPDATE deliveries n SET gap_before = ${untoldBefore("n.route_seq")}
FROM routes r, deliveries redriven
WHERE r.tenant = $1 AND r.route_id = $2 AND redriven.tenant = $1 AND redriven.delivery_id = $3
  AND n.tenant = $1 AND n.route_id = $2 AND n.route_seq >= redriven.route_seq AND n.gap_before IS NOT NULL
  AND (n.delivery_id = r.blocked_by
    OR n.state = 1 AND n.accepted_pieces = 0 AND n.piece_handle = '' AND NOT n.is_doubtful)`,
};

/**
 * While one of the route is being sent, its end or its lease tells when the next may be claimed. What is
 * redriven is missing no more, so that those of which the next has to tell are counted anew.
 */
const LET_GO_ON = {
  name: "delivery_route_after_redrive",
  text: `
UPDATE routes r SET blocked_by = CASE WHEN r.blocked_by <> $3 THEN r.blocked_by END,
  gap_count = ${untoldBefore("r.last_seq + 1")},
  due_time = CASE
    WHEN r.blocked_by <> $3 THEN r.due_time
    WHEN EXISTS (SELECT 1 FROM deliveries s
      WHERE s.tenant = $1 AND s.route_id = $2 AND s.route_seq >= r.head_seq AND s.state = 2) THEN coalesce(r.due_time, ${HEAD_DUE})
    ELSE ${HEAD_DUE} END
WHERE r.tenant = $1 AND r.route_id = $2`,
};

/**
 * Makes a dead letter PENDING again, at its old place on the route. False: it is none, or this request
 * has been carried out, or an attempt of it is not settled at session-identity, or the route is there no more.
 */
export function redrive(db: DeliveryDatabase, wanted: Redrive): Promise<boolean> {
  const { tenant, deliveryId, routeId, session } = wanted;
  return db.transaction(async (sql) => {
    if ((await first(sql, LOCK_ROUTE, [tenant, routeId])) === undefined) return false;
    const before = await first<Pick<ActRow, "previousState" | "previousGeneration">>(sql, REDRIVE, [
      ...[tenant, deliveryId, wanted.requestId, wanted.expireMs],
      ...[session?.sessionId ?? null, session?.generation ?? null],
      session === undefined ? null : wanted.fenceId,
    ]);
    if (before === undefined) return false;
    await sql.query(TELL_ANEW, [tenant, routeId, deliveryId]);
    await sql.query(LET_GO_ON, [tenant, routeId, deliveryId]);
    const { principal, note } = wanted;
    await recordAct(sql, {
      tenant,
      deliveryId,
      kind: DeadLetterActKind.REDRIVE,
      principal,
      note,
      ...before,
    });
    return true;
  });
}
