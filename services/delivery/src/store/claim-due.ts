import { OnUnknown } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type DeliveryDatabase, rows } from "./sql.ts";

/** The head of a route, claimed by this replica until the lease is over. */
export interface Claimed {
  readonly tenant: string;
  readonly deliveryId: string;
  /** What the delivery is called at session-identity. */
  readonly fenceId: string;
  readonly routeId: string;
  readonly routeSeq: bigint;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceId: string;
  readonly traceparent: string;
  readonly parts: readonly Uint8Array[];
  /** This one's number, from 1: the right to write its outcome. */
  readonly attempt: number;
  readonly wasClaimed: boolean;
  readonly perhapsSent: boolean;
  /** The attempt before this one died with its process. */
  readonly lostAttempt: boolean;
  /** An earlier attempt's outcome has not been told to session-identity. */
  readonly hasUntold: boolean;
  /** Until its expire_time, by the database's clock; negative: it has passed. */
  readonly expiresInMs: number;
  readonly createTime: Date;
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
  /** The route's secret, then the one before it while that is still used. */
  readonly signingSecrets: readonly string[];
  /** Messages of the channel that have been taken. */
  readonly acceptedPieces: number;
  /** The next one may have arrived. */
  readonly isDoubtful: boolean;
  readonly pieceHandle: string;
  /** What perhaps arrived may be sent again. */
  readonly mayResend: boolean;
  readonly failureCount: number;
  readonly gapBefore: number;
}

const LOCK_DUE = {
  name: "delivery_lock_due",
  text: `
SELECT tenant, route_id AS "routeId" FROM routes WHERE due_time <= now()
ORDER BY due_time LIMIT $1 FOR UPDATE SKIP LOCKED`,
};

/** Replaces an attempt that never wrote its outcome: its process is gone, or has lost its lease. */
const LOST = "the process that sent it ended before it could write what came of it";

const CLAIM_HEADS = {
  name: "delivery_claim_heads",
  text: `
WITH due AS (
  SELECT * FROM unnest($1::text[], $2::uuid[]) AS u (tenant, route_id)
), head AS (
  SELECT h.*, r.gap_count, r.on_unknown FROM due JOIN routes r USING (tenant, route_id) CROSS JOIN LATERAL (
    SELECT d.tenant, d.delivery_id, d.state, d.gap_before IS NULL AS takes_gap FROM deliveries d
    WHERE d.tenant = due.tenant AND d.route_id = due.route_id AND d.state IN (1, 2)
    ORDER BY d.route_seq LIMIT 1
  ) h
), lost AS (
  UPDATE attempts a SET outcome = 'unknown', error = $5, end_time = clock_timestamp(),
    untold = ${ReplyState.UNKNOWN}
  FROM head h WHERE a.tenant = h.tenant AND a.delivery_id = h.delivery_id AND a.outcome = 'open'
  RETURNING a.tenant, a.delivery_id
), claimed AS (
  UPDATE deliveries d SET state = 2, attempt_count = d.attempt_count + 1, replica = $3,
    was_claimed = d.was_claimed OR h.state = 2, perhaps_sent = d.perhaps_sent OR h.state = 2,
    is_doubtful = d.is_doubtful OR h.state = 2, gap_before = coalesce(d.gap_before, h.gap_count),
    failure_count = d.failure_count + CASE WHEN h.state = 2 THEN 1 ELSE 0 END
  FROM head h WHERE d.tenant = h.tenant AND d.delivery_id = h.delivery_id
  RETURNING d.*, h.state = 2 AS lost_attempt, h.takes_gap, h.on_unknown
), attempt AS (
  INSERT INTO attempts (tenant, delivery_id, attempt, replica, start_time)
  SELECT tenant, delivery_id, attempt_count, $3, clock_timestamp() FROM claimed
), leased AS (
  UPDATE routes r SET due_time = CASE WHEN c.route_id IS NULL THEN NULL
    ELSE clock_timestamp() + $4 * interval '1 millisecond' END,
    gap_count = CASE WHEN c.takes_gap THEN 0 ELSE r.gap_count END
  FROM due LEFT JOIN claimed c USING (tenant, route_id)
  WHERE r.tenant = due.tenant AND r.route_id = due.route_id
  RETURNING r.tenant, r.route_id, r.kind, r.account_id, r.address, r.thread_id, r.signing_secret,
    r.old_secret, r.old_secret_end
)
SELECT c.tenant, c.delivery_id AS "deliveryId",
  coalesce(c.fence_id, c.delivery_id) AS "fenceId", c.route_id AS "routeId", c.route_seq AS "routeSeq",
  c.session_key AS "sessionKey", c.session_id AS "sessionId", c.generation, c.turn_id AS "turnId",
  c.principal, c.request_label AS "requestLabel", c.trace_id AS "traceId", c.traceparent, c.parts,
  c.attempt_count AS attempt, c.was_claimed AS "wasClaimed", c.perhaps_sent AS "perhapsSent",
  c.lost_attempt AS "lostAttempt", c.create_time AS "createTime",
  c.lost_attempt OR EXISTS (SELECT 1 FROM attempts a WHERE a.tenant = c.tenant
    AND a.delivery_id = c.delivery_id AND a.untold IS NOT NULL) AS "hasUntold",
  (extract(epoch FROM c.expire_time - clock_timestamp()) * 1000)::float8 AS "expiresInMs",
  c.accepted_pieces AS "acceptedPieces", c.is_doubtful AS "isDoubtful",
  c.piece_handle AS "pieceHandle", c.failure_count AS "failureCount", c.gap_before AS "gapBefore",
  c.may_resend OR c.on_unknown = ${OnUnknown.RESEND} AS "mayResend",
  l.kind, l.account_id AS "accountId", l.address, l.thread_id AS "threadId",
  CASE WHEN l.old_secret_end > clock_timestamp() THEN ARRAY[l.signing_secret, l.old_secret]
    ELSE ARRAY[l.signing_secret] END AS "signingSecrets"
FROM claimed c JOIN leased l USING (tenant, route_id)`,
};

export interface Claimant {
  readonly replica: string;
  readonly leaseMs: number;
  readonly limit: number;
}

/**
 * Claims the heads of routes that are due, each for one replica. Locked routes are left to whoever has
 * them. The heads are looked up in a statement after the lock: in one statement the look-up could see
 * a head that another pump has sent since.
 */
export function claimDue(
  db: DeliveryDatabase,
  { replica, leaseMs, limit }: Claimant,
): Promise<Claimed[]> {
  return db.transaction(async (sql) => {
    const due = await rows<{ tenant: string; routeId: string }>(sql, LOCK_DUE, [limit]);
    if (due.length === 0) return [];
    const tenants = due.map(({ tenant }) => tenant);
    const routeIds = due.map(({ routeId }) => routeId);
    return rows<Claimed>(sql, CLAIM_HEADS, [tenants, routeIds, replica, leaseMs, LOST]);
  });
}
