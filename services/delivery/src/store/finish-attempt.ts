import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type AttemptEnding, isDeadLetter } from "../domain/attempt-ending.ts";
import { hasEnded, stateCode } from "../domain/delivery-state.ts";
import type { Claimed } from "./claim-due.ts";
import { type DeliveryDatabase, first } from "./sql.ts";

const LOCK_ROUTE = {
  name: "delivery_lock_route_to_finish",
  text: `SELECT 1 FROM routes WHERE tenant = $1 AND route_id = $2 FOR UPDATE`,
};

const FINISH = {
  name: "delivery_finish",
  text: `
WITH finished AS (
  UPDATE deliveries SET state = $4, was_claimed = $5, perhaps_sent = $6,
    next_attempt_time = CASE WHEN $7 THEN NULL
      ELSE least(expire_time, clock_timestamp() + $8 * interval '1 millisecond') END,
    end_time = CASE WHEN $7 THEN clock_timestamp() END,
    last_error = $9, provider_message_id = CASE WHEN $10 = '' THEN provider_message_id ELSE $10 END,
    failure_count = $13, accepted_pieces = accepted_pieces + CASE WHEN $14 THEN 1 ELSE 0 END,
    piece_count = greatest(piece_count, $15),
    is_doubtful = NOT $14 AND (is_doubtful OR $11 = 'unknown'),
    piece_handle = CASE WHEN $14 THEN '' ELSE piece_handle END
  WHERE tenant = $1 AND delivery_id = $2 AND attempt_count = $3 AND state = 2
  RETURNING tenant, delivery_id
)
UPDATE attempts a SET outcome = $11, error = $9, provider_message_id = $10, untold = $12,
  end_time = clock_timestamp()
FROM finished f WHERE a.tenant = f.tenant AND a.delivery_id = f.delivery_id AND a.attempt = $3
RETURNING 1`,
};

const SET_DUE = {
  name: "delivery_set_due",
  text: `
UPDATE routes SET due_time = (
  SELECT d.next_attempt_time FROM deliveries d
  WHERE d.tenant = $1 AND d.route_id = $2 AND d.state IN (1, 2) ORDER BY d.route_seq LIMIT 1
)
WHERE tenant = $1 AND route_id = $2
RETURNING due_time AS "dueTime"`,
};

/** Behind a dead letter: the route waits for somebody, or goes on and tells of the gap. */
const SET_DUE_AFTER_DEAD_LETTER = {
  name: "delivery_set_due_after_dead_letter",
  text: `
UPDATE routes r SET blocked_by = CASE WHEN r.on_failure = ${OnFailure.BLOCK} THEN $3::uuid END,
  gap_count = CASE WHEN r.on_failure = ${OnFailure.BLOCK} THEN r.gap_count
    ELSE r.gap_count + $4 + 1 END,
  due_time = CASE WHEN r.on_failure = ${OnFailure.BLOCK} THEN NULL ELSE (
    SELECT d.next_attempt_time FROM deliveries d
    WHERE d.tenant = $1 AND d.route_id = $2 AND d.state IN (1, 2) ORDER BY d.route_seq LIMIT 1
  ) END
WHERE r.tenant = $1 AND r.route_id = $2
RETURNING r.due_time AS "dueTime"`,
};

const RECORD_LATE = {
  name: "delivery_record_late",
  text: `
UPDATE attempts SET outcome = $4, error = 'late: ' || $5, provider_message_id = $6
WHERE tenant = $1 AND delivery_id = $2 AND attempt = $3 AND outcome = 'unknown'`,
};

export interface Finished {
  /** False: the lease ran out and the delivery was claimed anew; only the attempt's row tells. */
  readonly held: boolean;
  /** Something is open on the route. */
  readonly hasNext: boolean;
}

/** What the attempt found out beside its ending. */
export interface AttemptNotes {
  /** session-identity accepted a `sending` of the delivery, now or before. */
  readonly wasClaimed: boolean;
  /** Messages of the channel that the reply takes; 0: it did not get so far. */
  readonly pieceCount: number;
}

/** Writes what became of an attempt and lets the route go on, if the attempt still has the right to. */
export function finishAttempt(
  db: DeliveryDatabase,
  claimed: Claimed,
  ending: AttemptEnding,
  notes: AttemptNotes,
): Promise<Finished> {
  const { tenant, routeId, deliveryId, gapBefore } = claimed;
  return db.transaction(async (sql) => {
    await sql.query(LOCK_ROUTE, [tenant, routeId]);
    const finished = await first(sql, FINISH, finishParams(claimed, ending, notes));
    if (finished === undefined) {
      await sql.query(RECORD_LATE, lateParams(claimed, ending));
      return { held: false, hasNext: false };
    }
    const route = await (isDeadLetter(ending)
      ? first<Due>(sql, SET_DUE_AFTER_DEAD_LETTER, [tenant, routeId, deliveryId, gapBefore])
      : first<Due>(sql, SET_DUE, [tenant, routeId]));
    return { held: true, hasNext: (route?.dueTime ?? null) !== null };
  });
}

interface Due {
  readonly dueTime: Date | null;
}

function finishParams(
  claimed: Claimed,
  ending: AttemptEnding,
  { wasClaimed, pieceCount }: AttemptNotes,
): unknown[] {
  const { tenant, deliveryId, attempt } = claimed;
  const { failureCount, hasAccepted } = ending;
  const { state, perhapsSent, delayMs, error, providerMessageId, outcome, report } = ending;
  return [
    ...[tenant, deliveryId, attempt, stateCode(state), wasClaimed, perhapsSent],
    ...[hasEnded(state), delayMs, error, providerMessageId, outcome, report ?? null],
    ...[failureCount, hasAccepted, pieceCount],
  ];
}

function lateParams({ tenant, deliveryId, attempt }: Claimed, ending: AttemptEnding): unknown[] {
  const { outcome, error, providerMessageId } = ending;
  return [tenant, deliveryId, attempt, outcome, error, providerMessageId];
}
