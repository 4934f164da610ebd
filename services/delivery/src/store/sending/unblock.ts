import { first, type Sql } from "../sql.ts";

/** When a pump may look at the route next, while nothing of it is being sent. */
export const HEAD_DUE = `(
  SELECT h.next_attempt_time FROM deliveries h
  WHERE h.tenant = r.tenant AND h.route_id = r.route_id AND h.route_seq >= r.head_seq
    AND h.state IN (1, 2)
  ORDER BY h.route_seq LIMIT 1
)`;

const UNBLOCK = {
  name: "delivery_unblock_route",
  text: `
UPDATE routes r SET blocked_by = NULL, due_time = coalesce(r.due_time, ${HEAD_DUE}), gap_count = r.gap_count + 1 + coalesce((
  SELECT d.gap_before FROM deliveries d WHERE d.tenant = r.tenant AND d.delivery_id = r.blocked_by
), 0)
WHERE r.tenant = $1 AND r.route_id = $2 AND r.blocked_by IS NOT NULL
  AND ($3::uuid IS NULL OR r.blocked_by = $3)
RETURNING 1`,
};

/**
 * Lets a route go on past the dead letter that holds it; the next reply tells of the gap. One that is being
 * sent is left to its lease, which is all that a blocked route's due_time tells. The route's row is locked. Resolves to whether it was blocked, by `deliveryId` where one is given.
 */
export async function unblock(
  sql: Sql,
  tenant: string,
  routeId: string,
  deliveryId?: string,
): Promise<boolean> {
  return (await first(sql, UNBLOCK, [tenant, routeId, deliveryId ?? null])) !== undefined;
}
