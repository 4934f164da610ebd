import { byPlace, type Column, itemParams, itemTable } from "@lanekeeper/postgres";
import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type AttemptEnding, isDeadLetter } from "../domain/attempt-ending.ts";
import { hasEnded, stateCode } from "../domain/delivery-state.ts";
import type { Claimed } from "./claim-due.ts";
import { type DeliveryDatabase, rows, type Sql } from "./sql.ts";

/** An attempt, and what became of it. */
export interface EndedAttempt {
  readonly claimed: Claimed;
  readonly ending: AttemptEnding;
  /** session-identity accepted a `sending` of the delivery, now or before. */
  readonly wasClaimed: boolean;
  /** Messages of the channel that the reply takes; 0: it did not get so far. */
  readonly pieceCount: number;
}

export interface Finished {
  /** False: the lease ran out and the delivery was claimed anew; only the attempt's row tells. */
  readonly held: boolean;
  /** Something is open on the route. */
  readonly hasNext: boolean;
}

/** In the order of the rows' key, as everybody locks routes who locks several. */
const LOCK_ROUTES = {
  name: "delivery_lock_routes_to_finish",
  text: `
SELECT 1 FROM unnest($1::text[], $2::uuid[]) AS i (tenant, route_id)
JOIN routes r ON r.tenant = i.tenant AND r.route_id = i.route_id
ORDER BY r.tenant, r.route_id FOR UPDATE OF r`,
};

const ENDINGS: readonly Column<EndedAttempt>[] = [
  { name: "tenant", type: "text", of: ({ claimed }) => claimed.tenant },
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
  { name: "untold", type: "smallint", of: ({ ending }) => ending.report ?? null },
  { name: "failure_count", type: "int", of: ({ ending }) => ending.failureCount },
  { name: "has_accepted", type: "boolean", of: ({ ending }) => ending.hasAccepted },
  { name: "piece_count", type: "int", of: ({ pieceCount }) => pieceCount },
];

const FINISH = {
  name: "delivery_finish",
  text: `
WITH ${itemTable(ENDINGS)}, finished AS (
  UPDATE deliveries d SET state = i.state, was_claimed = i.was_claimed, perhaps_sent = i.perhaps_sent,
    next_attempt_time = CASE WHEN i.has_ended THEN NULL
      ELSE least(d.expire_time, clock_timestamp() + i.delay_ms * interval '1 millisecond') END,
    end_time = CASE WHEN i.has_ended THEN clock_timestamp() END, last_error = i.error,
    provider_message_id = CASE WHEN i.message_id = '' THEN d.provider_message_id ELSE i.message_id END,
    failure_count = i.failure_count,
    accepted_pieces = d.accepted_pieces + CASE WHEN i.has_accepted THEN 1 ELSE 0 END,
    piece_count = greatest(d.piece_count, i.piece_count),
    is_doubtful = NOT i.has_accepted AND (d.is_doubtful OR i.outcome = 'unknown'),
    piece_handle = CASE WHEN i.has_accepted THEN '' ELSE d.piece_handle END
  FROM item i
  WHERE d.tenant = i.tenant AND d.delivery_id = i.delivery_id AND d.attempt_count = i.attempt
    AND d.state = 2
  RETURNING i.place
), noted AS (
  UPDATE attempts a SET outcome = i.outcome, error = i.error, provider_message_id = i.message_id,
    untold = i.untold, end_time = clock_timestamp()
  FROM finished f JOIN item i USING (place)
  WHERE a.tenant = i.tenant AND a.delivery_id = i.delivery_id AND a.attempt = i.attempt
)
SELECT place::int FROM finished`,
};

const PASSED: readonly Column<EndedAttempt>[] = [
  { name: "tenant", type: "text", of: ({ claimed }) => claimed.tenant },
  { name: "route_id", type: "uuid", of: ({ claimed }) => claimed.routeId },
  { name: "delivery_id", type: "uuid", of: ({ claimed }) => claimed.deliveryId },
  { name: "is_dead", type: "boolean", of: ({ ending }) => isDeadLetter(ending) },
  { name: "gap_before", type: "int", of: ({ claimed }) => claimed.gapBefore },
];

/**
 * Routes go on with their heads, which is a statement of its own so that it sees what has ended. Behind
 * a dead letter a route waits for somebody, or goes on and tells of the gap.
 */
const SET_DUE = {
  name: "delivery_set_due",
  text: `
WITH ${itemTable(PASSED)}
UPDATE routes r SET
  blocked_by = CASE WHEN NOT i.is_dead THEN r.blocked_by
    WHEN r.on_failure = ${OnFailure.BLOCK} THEN i.delivery_id END,
  gap_count = CASE WHEN i.is_dead AND r.on_failure <> ${OnFailure.BLOCK}
    THEN r.gap_count + i.gap_before + 1 ELSE r.gap_count END,
  due_time = CASE WHEN i.is_dead AND r.on_failure = ${OnFailure.BLOCK} THEN NULL ELSE (
    SELECT d.next_attempt_time FROM deliveries d
    WHERE d.tenant = i.tenant AND d.route_id = i.route_id AND d.state IN (1, 2)
    ORDER BY d.route_seq LIMIT 1
  ) END
FROM item i WHERE r.tenant = i.tenant AND r.route_id = i.route_id
RETURNING i.place::int, r.due_time AS "dueTime"`,
};

const RECORD_LATE = {
  name: "delivery_record_late",
  text: `
UPDATE attempts SET outcome = $4, error = 'late: ' || $5, provider_message_id = $6
WHERE tenant = $1 AND delivery_id = $2 AND attempt = $3 AND outcome = 'unknown'`,
};

const LOST: Finished = { held: false, hasNext: false };

/**
 * Writes what became of attempts, no two of them of one route, and lets the routes go on; each if it
 * still has the right to.
 */
export function finishAll(
  db: DeliveryDatabase,
  ended: readonly EndedAttempt[],
): Promise<readonly Finished[]> {
  return db.transaction(async (sql) => {
    await sql.query(LOCK_ROUTES, [
      ended.map(({ claimed }) => claimed.tenant),
      ended.map(({ claimed }) => claimed.routeId),
    ]);
    const found = await rows<{ place: number }>(sql, FINISH, itemParams(ENDINGS, ended));
    const finished = byPlace(found, ended.length);
    for (const [index, one] of ended.entries()) {
      if (finished[index] === undefined) await recordLate(sql, one);
    }
    const held = ended.filter((_, index) => finished[index] !== undefined);
    const goesOn = (await goOn(sql, held)).values();
    return finished.map((row) =>
      row === undefined ? LOST : { held: true, hasNext: goesOn.next().value === true },
    );
  });
}

/** Whether something is open on the route of each. */
async function goOn(sql: Sql, ended: readonly EndedAttempt[]): Promise<readonly boolean[]> {
  if (ended.length === 0) return [];
  interface Due {
    readonly place: number;
    readonly dueTime: Date | null;
  }
  const found = await rows<Due>(sql, SET_DUE, itemParams(PASSED, ended));
  return byPlace(found, ended.length).map((row) => (row?.dueTime ?? null) !== null);
}

async function recordLate(sql: Sql, { claimed, ending }: EndedAttempt): Promise<void> {
  const { tenant, deliveryId, attempt } = claimed;
  const { outcome, error, providerMessageId } = ending;
  const params = [tenant, deliveryId, attempt, outcome, error, providerMessageId];
  await sql.query(RECORD_LATE, params);
}
