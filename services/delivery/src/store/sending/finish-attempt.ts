import { byPlace, type Column, itemParams, itemTable } from "@lanekeeper/postgres";
import type { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type AttemptEnding, isDeadLetter, missingAfter } from "../../domain/attempt-ending.ts";
import { hasEnded, stateCode } from "../../domain/delivery-state.ts";
import type { Claimed } from "./claimed.ts";
import { type Claimant, goOn, type RouteGoesOn, type WentOn } from "./go-on.ts";
import { type DeliveryDatabase, rows, type Sql } from "../sql.ts";

/** An attempt, and what became of it. */
export interface EndedAttempt {
  readonly claimed: Claimed;
  readonly ending: AttemptEnding;
  /** session-identity accepted a `sending` of the delivery, now or before. */
  readonly wasClaimed: boolean;
  /** Messages of the channel that the reply takes; 0: it did not get so far. */
  readonly pieceCount: number;
  /** What session-identity has not been told. */
  readonly untold: ReplyState | undefined;
  /** The next of the route is claimed here, if it is due. */
  readonly wantsNext: boolean;
}

export interface Finished {
  /** False: the lease ran out and the delivery was claimed anew; only the attempt's row tells. */
  readonly held: boolean;
  /** Something is open on the route. */
  readonly hasNext: boolean;
  readonly next: Claimed | undefined;
}

const ENDINGS: readonly Column<EndedAttempt>[] = [
  { name: "tenant", type: "text", of: ({ claimed }) => claimed.tenant },
  { name: "route_id", type: "uuid", of: ({ claimed }) => claimed.routeId },
  { name: "delivery_id", type: "uuid", of: ({ claimed }) => claimed.deliveryId },
  { name: "attempt", type: "int", of: ({ claimed }) => claimed.attempt },
  { name: "state", type: "smallint", of: ({ ending }) => stateCode(ending.state) },
  { name: "was_claimed", type: "boolean", of: ({ wasClaimed }) => wasClaimed },
  { name: "perhaps_sent", type: "boolean", of: ({ ending }) => ending.perhapsSent },
  { name: "has_ended", type: "boolean", of: ({ ending }) => hasEnded(ending.state) },
  { name: "delay_ms", type: "float8", of: ({ ending }) => ending.delayMs },
  { name: "error", type: "text", of: ({ ending }) => ending.error },
  { name: "message_id", type: "text", of: ({ ending }) => ending.providerMessageId },
  { name: "outcome", type: "text", of: ({ ending }) => ending.outcome },
  { name: "untold", type: "smallint", of: ({ untold }) => untold ?? null },
  { name: "failure_count", type: "int", of: ({ ending }) => ending.failureCount },
  { name: "unavailable_count", type: "int", of: ({ ending }) => ending.unavailableCount },
  { name: "has_accepted", type: "boolean", of: ({ ending }) => ending.hasAccepted },
  { name: "piece_count", type: "int", of: ({ pieceCount }) => pieceCount },
];

/**
 * Routes are locked in the order of their key, as everybody locks routes who locks several, each before
 * its delivery. Who waited for a lock meets the delivery as it is then, since a row that was changed
 * meanwhile is judged again.
 */
const FINISH = {
  name: "delivery_finish",
  text: `
WITH ${itemTable(ENDINGS)}, locked AS MATERIALIZED (
  SELECT i.place FROM item i JOIN routes r ON r.tenant = i.tenant AND r.route_id = i.route_id
  ORDER BY r.tenant, r.route_id FOR UPDATE OF r
), finished AS (
  UPDATE deliveries d SET state = i.state, was_claimed = i.was_claimed, perhaps_sent = i.perhaps_sent,
    next_attempt_time = CASE WHEN i.has_ended THEN NULL
      ELSE least(d.expire_time, clock_timestamp() + i.delay_ms * interval '1 millisecond') END,
    end_time = CASE WHEN i.has_ended THEN clock_timestamp() END, last_error = i.error,
    provider_message_id = CASE WHEN i.message_id = '' THEN d.provider_message_id ELSE i.message_id END,
    failure_count = i.failure_count, unavailable_count = i.unavailable_count,
    accepted_pieces = d.accepted_pieces + CASE WHEN i.has_accepted THEN 1 ELSE 0 END,
    piece_count = greatest(d.piece_count, i.piece_count),
    is_doubtful = NOT i.has_accepted AND (d.is_doubtful OR i.outcome = 'unknown'),
    piece_handle = CASE WHEN i.has_accepted THEN '' ELSE d.piece_handle END
  FROM locked JOIN item i USING (place)
  WHERE d.tenant = i.tenant AND d.delivery_id = i.delivery_id AND d.attempt_count = i.attempt
    AND d.state = 2
  RETURNING i.place, d.replica, d.claim_time
), noted AS (
  INSERT INTO attempts (tenant, delivery_id, attempt, replica, start_time, end_time, outcome, error,
    provider_message_id, untold)
  SELECT i.tenant, i.delivery_id, i.attempt, f.replica, f.claim_time, clock_timestamp(), i.outcome,
    i.error, i.message_id, i.untold
  FROM finished f JOIN item i USING (place)
)
SELECT place::int FROM finished`,
};

const RECORD_LATE = {
  name: "delivery_record_late",
  text: `
UPDATE attempts SET outcome = $4, error = 'late: ' || $5, provider_message_id = $6
WHERE tenant = $1 AND delivery_id = $2 AND attempt = $3 AND outcome = 'unknown'`,
};

const LOST: Finished = { held: false, hasNext: false, next: undefined };

/**
 * Writes what became of attempts, no two of them of one route, and lets the routes go on; each if it
 * still has the right to.
 */
export function finishAll(
  db: DeliveryDatabase,
  claimant: Claimant,
  ended: readonly EndedAttempt[],
): Promise<readonly Finished[]> {
  return db.transaction(async (sql) => {
    const found = await rows<{ place: number }>(sql, FINISH, itemParams(ENDINGS, ended));
    const finished = byPlace(found, ended.length);
    for (const [index, one] of ended.entries()) {
      if (finished[index] === undefined) await recordLate(sql, one);
    }
    const held = ended.filter((_, index) => finished[index] !== undefined);
    const wentOn = (await goOn(sql, claimant, held.map(routeOf))).values();
    return finished.map((row) =>
      row === undefined ? LOST : { held: true, ...(wentOn.next().value as WentOn) },
    );
  });
}

function routeOf({ claimed, ending, wantsNext }: EndedAttempt): RouteGoesOn {
  const { tenant, routeId, deliveryId, routeSeq, gapBefore } = claimed;
  return {
    tenant,
    routeId,
    wantsNext,
    ended: {
      deliveryId,
      routeSeq,
      isDeadLetter: isDeadLetter(ending),
      missing: missingAfter(ending, gapBefore),
    },
  };
}

async function recordLate(sql: Sql, { claimed, ending }: EndedAttempt): Promise<void> {
  const { tenant, deliveryId, attempt } = claimed;
  const { outcome, error, providerMessageId } = ending;
  const params = [tenant, deliveryId, attempt, outcome, error, providerMessageId];
  await sql.query(RECORD_LATE, params);
}
