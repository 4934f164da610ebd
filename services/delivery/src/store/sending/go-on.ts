import { type Column, itemParams, itemTable } from "@lanekeeper/postgres";
import { OnFailure, OnUnknown } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { Claimed } from "./claimed.ts";
import { rows, type Sql } from "../sql.ts";

/** A route whose row is locked and which may go on with its head. */
export interface RouteGoesOn {
  readonly tenant: string;
  readonly routeId: string;
  /** What has ended on it right before; undefined: nothing. */
  readonly ended?: {
    readonly deliveryId: string;
    readonly routeSeq: bigint;
    readonly isDeadLetter: boolean;
    /** Dead letters, with itself if it is one, of which the next has to tell in its place. */
    readonly missing: number;
  };
  /** The head is claimed here, if it is due. */
  readonly wantsNext: boolean;
}

export interface WentOn {
  /** Something is open on the route, and nobody waits for a person to let it go on. */
  readonly hasNext: boolean;
  readonly next: Claimed | undefined;
}

export interface Claimant {
  readonly replica: string;
  readonly leaseMs: number;
}

/** What is said of an attempt that never wrote its outcome: its process is gone, or has lost its lease. */
const LOST = "the process that sent it ended before it could write what came of it";

const ROUTES: readonly Column<RouteGoesOn>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "route_id", type: "uuid", of: ({ routeId }) => routeId },
  { name: "ended_id", type: "uuid", of: ({ ended }) => ended?.deliveryId ?? null },
  { name: "ended_seq", type: "bigint", of: ({ ended }) => ended?.routeSeq ?? null },
  { name: "is_dead", type: "boolean", of: ({ ended }) => ended?.isDeadLetter ?? false },
  { name: "missing", type: "int", of: ({ ended }) => ended?.missing ?? 0 },
  { name: "wants_next", type: "boolean", of: ({ wantsNext }) => wantsNext },
];

const REPLICA = `$${ROUTES.length + 1}::text`;
const LEASE = `$${ROUTES.length + 2}::float8 * interval '1 millisecond'`;
const WHY_LOST = `$${ROUTES.length + 3}::text`;

/**
 * A lease is given so much longer than is asked for, so that a route that goes on at once needs no other
 * until that is used up, and its row is left alone.
 */
const LEASE_SLACK = 0.25;

/** So many that have ended may stand before the head where it is looked for. */
const LOOKED_OVER = 32;

/** As JSON: an array of bytea comes as text that is read character by character. */
const PARTS = "to_json(ARRAY(SELECT encode(part, 'base64') FROM unnest(c.parts) AS part))";

/** Of rotations before the last one; nearly always there is none. */
const OLDER_SECRETS = `CASE WHEN g.older_secrets = '[]' THEN ARRAY[]::text[] ELSE ARRAY(
    SELECT old ->> 'secret' FROM jsonb_array_elements(g.older_secrets) WITH ORDINALITY AS o (old, place)
    WHERE (old ->> 'end')::timestamptz > clock_timestamp() ORDER BY place) END`;

/**
 * What has ended stood behind the head, which was redriven past it. Then another may be under way that was
 * redriven past it, too, and stands behind a head that was redriven after that.
 */
const OTHER_UNDER_WAY = `CASE WHEN i.ended_seq > h.route_seq THEN EXISTS (
      SELECT 1 FROM deliveries s WHERE s.tenant = r.tenant AND s.route_id = r.route_id
        AND s.route_seq > h.route_seq AND s.state = 2) END`;

const GO_ON = {
  name: "delivery_go_on",
  text: `
WITH ${itemTable(ROUTES)}, head AS (
  SELECT i.place, i.tenant, i.route_id, i.ended_id, i.is_dead, i.wants_next, r.on_unknown,
    i.is_dead AND r.on_failure = ${OnFailure.BLOCK} AND r.blocked_by IS NULL AS blocks,
    r.blocked_by IS NOT NULL OR i.is_dead AND r.on_failure = ${OnFailure.BLOCK} AS waits,
    r.kind, r.account_id, r.address, r.thread_id, r.signing_secret, r.old_secret, r.old_secret_end,
    r.older_secrets,
    r.due_time, r.last_seq, r.head_seq, r.gap_count AS old_gap_count,
    r.gap_count + CASE WHEN i.is_dead AND r.on_failure = ${OnFailure.BLOCK} AND r.blocked_by IS NULL
      THEN 0 ELSE i.missing END AS gap_count,
    coalesce(r.due_time > clock_timestamp() AND (h.state = 2 OR ${OTHER_UNDER_WAY}), false) AS is_under_way,
    h.delivery_id, h.route_seq, h.state, h.next_attempt_time, h.takes_gap
  FROM item i JOIN routes r ON r.tenant = i.tenant AND r.route_id = i.route_id
  LEFT JOIN LATERAL (
    SELECT d.delivery_id, d.route_seq, d.state, d.next_attempt_time, d.gap_before IS NULL AS takes_gap
    FROM deliveries d
    WHERE d.tenant = r.tenant AND d.route_id = r.route_id AND d.route_seq >= r.head_seq
      AND d.state IN (1, 2)
    ORDER BY d.route_seq LIMIT 1
  ) h ON true
), due AS (
  SELECT * FROM head WHERE wants_next AND NOT waits AND NOT is_under_way
    AND next_attempt_time <= clock_timestamp()
), lost AS (
  INSERT INTO attempts AS a (tenant, delivery_id, attempt, replica, start_time, end_time, outcome, error,
    untold)
  SELECT d.tenant, d.delivery_id, d.attempt_count, d.replica, coalesce(d.claim_time, clock_timestamp()),
    clock_timestamp(), 'unknown', ${WHY_LOST}, ${ReplyState.UNKNOWN}
  FROM due h JOIN deliveries d ON d.tenant = h.tenant AND d.delivery_id = h.delivery_id
  WHERE h.state = 2
  ON CONFLICT (tenant, delivery_id, attempt) DO UPDATE SET outcome = excluded.outcome,
    error = excluded.error, end_time = excluded.end_time, untold = excluded.untold
  WHERE a.outcome = 'open'
), claimed AS (
  UPDATE deliveries d SET state = 2, attempt_count = d.attempt_count + 1, replica = ${REPLICA},
    claim_time = clock_timestamp(),
    was_claimed = d.was_claimed OR h.state = 2, perhaps_sent = d.perhaps_sent OR h.state = 2,
    is_doubtful = d.is_doubtful OR h.state = 2, gap_before = coalesce(d.gap_before, h.gap_count),
    failure_count = d.failure_count + CASE WHEN h.state = 2 THEN 1 ELSE 0 END
  FROM due h WHERE d.tenant = h.tenant AND d.delivery_id = h.delivery_id
  RETURNING d.*, h.place, h.state = 2 AS lost_attempt, h.takes_gap, h.on_unknown
), gone_on AS (
  UPDATE routes r SET
    blocked_by = CASE WHEN h.blocks THEN h.ended_id ELSE r.blocked_by END,
    gap_count = CASE WHEN c.takes_gap THEN 0 ELSE h.gap_count END,
    head_seq = coalesce(h.route_seq, h.last_seq + 1),
    due_time = CASE WHEN h.is_under_way THEN h.due_time
      WHEN h.waits THEN NULL
      WHEN c.place IS NOT NULL THEN clock_timestamp() + ${LEASE} * ${1 + LEASE_SLACK}
      ELSE h.next_attempt_time END
  FROM head h LEFT JOIN claimed c USING (place)
  WHERE r.tenant = h.tenant AND r.route_id = h.route_id AND NOT (
    c.place IS NOT NULL AND h.due_time >= clock_timestamp() + ${LEASE} AND NOT h.is_dead
    AND h.old_gap_count = CASE WHEN c.takes_gap THEN 0 ELSE h.gap_count END
    AND h.route_seq - h.head_seq < ${LOOKED_OVER})
)
SELECT g.place::int, NOT g.waits AND g.next_attempt_time IS NOT NULL AS "hasNext", c.tenant, c.delivery_id AS "deliveryId",
  coalesce(c.fence_id, c.delivery_id) AS "fenceId", c.route_id AS "routeId", c.route_seq AS "routeSeq",
  c.session_key AS "sessionKey", c.session_id AS "sessionId", c.generation, c.turn_id AS "turnId",
  c.principal, c.request_label AS "requestLabel", c.trace_id AS "traceId", c.traceparent,
  ${PARTS} AS parts,
  c.attempt_count AS attempt, c.was_claimed AS "wasClaimed", c.perhaps_sent AS "perhapsSent",
  c.lost_attempt AS "lostAttempt", c.create_time AS "createTime",
  c.lost_attempt OR c.attempt_count > 1 AND EXISTS (SELECT 1 FROM attempts a
    WHERE a.tenant = c.tenant AND a.delivery_id = c.delivery_id AND a.untold IS NOT NULL) AS "hasUntold",
  (extract(epoch FROM c.expire_time - clock_timestamp()) * 1000)::float8 AS "expiresInMs",
  c.accepted_pieces AS "acceptedPieces", c.is_doubtful AS "isDoubtful",
  c.piece_handle AS "pieceHandle", c.failure_count AS "failureCount", c.unavailable_count AS "unavailableCount", c.gap_before AS "gapBefore",
  c.may_resend OR c.on_unknown = ${OnUnknown.RESEND} AS "mayResend",
  g.kind, g.account_id AS "accountId", g.address, g.thread_id AS "threadId",
  CASE WHEN g.old_secret_end > clock_timestamp() THEN ARRAY[g.signing_secret, g.old_secret]
    ELSE ARRAY[g.signing_secret] END || ${OLDER_SECRETS} AS "signingSecrets"
FROM head g LEFT JOIN claimed c USING (place)`,
};

/**
 * Routes go on with their heads, each claimed for this replica where that is wanted and it is due. Behind
 * a dead letter a route waits for somebody, or goes on and tells of the gap. The routes' rows are locked
 * by a statement before: in one with the lock the look-up could see a head that another process has
 * ended since. No two are of one route. A route that goes on under the lease that it has is not written.
 * One that was redriven past a lost lease may be under way elsewhere when that lease's holder comes to its
 * end after all: then it is left to its own lease, for which due_time stands also while a dead letter behind it
 * keeps the route. The first dead letter that keeps a route does so until somebody acts.
 */
export async function goOn(
  sql: Sql,
  { replica, leaseMs }: Claimant,
  routes: readonly RouteGoesOn[],
): Promise<readonly WentOn[]> {
  if (routes.length === 0) return [];
  type Row = Omit<Claimed, "deliveryId" | "parts"> & {
    readonly parts: readonly string[];
    readonly place: number;
    readonly hasNext: boolean;
    readonly deliveryId: string | null;
  };
  const params = [...itemParams(ROUTES, routes), replica, leaseMs, LOST];
  const wentOn = routes.map((): WentOn => ({ hasNext: false, next: undefined }));
  for (const { place, hasNext, ...row } of await rows<Row>(sql, GO_ON, params)) {
    const parts = row.parts.map((part) => Buffer.from(part, "base64"));
    const next = row.deliveryId === null ? undefined : ({ ...row, parts } as Claimed);
    wentOn[place - 1] = { hasNext, next };
  }
  return wentOn;
}
