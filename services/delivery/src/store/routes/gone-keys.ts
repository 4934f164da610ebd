import type { DeliveryDatabase, Sql } from "../sql.ts";
import { first, rows } from "../sql.ts";

/** A key whose routes may have to go. */
export interface RoutedKey {
  readonly tenant: string;
  readonly sessionKey: string;
}

const TAKE_DUE = {
  name: "delivery_take_routes_to_look_at",
  text: `
UPDATE routes SET look_time = clock_timestamp() + $2::float8 * interval '1 millisecond'
WHERE (tenant, route_id) IN (
  SELECT tenant, route_id FROM routes WHERE look_time < clock_timestamp()
  ORDER BY look_time LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING tenant, session_key AS "sessionKey"`,
};

/** Keys of routes that are to be looked at; whoever takes them, they are due again after so many ms. */
export function takeKeysToLookAt(sql: Sql, limit: number, againInMs: number): Promise<RoutedKey[]> {
  return rows(sql, TAKE_DUE, [limit, againInMs]);
}

const LOCK_COUNT = {
  name: "delivery_lock_route_count",
  text: "SELECT FROM route_counts WHERE tenant = $1 AND session_key = $2 FOR UPDATE",
};

/** Sql, for a statement whose `gone` has routes (tenant, route_id): removes them with their history, and counts them. */
export const REMOVE_GONE = `history AS (
  DELETE FROM route_changes c USING gone g WHERE c.tenant = g.tenant AND c.route_id = g.route_id
), deleted AS (
  DELETE FROM routes r USING gone g WHERE r.tenant = g.tenant AND r.route_id = g.route_id
  RETURNING r.route_id
)
SELECT count(*)::int AS count FROM deleted`;

/** A route of which a reply is remembered stays as long as that. */
const FORGET = {
  name: "delivery_forget_routes_of_key",
  text: `
WITH gone AS (
  SELECT r.tenant, r.route_id FROM routes r
  WHERE r.tenant = $1 AND r.session_key = $2 AND r.due_time IS NULL AND r.blocked_by IS NULL
    AND NOT EXISTS (SELECT FROM deliveries d WHERE d.tenant = r.tenant AND d.route_id = r.route_id)
  ORDER BY r.route_id FOR UPDATE
), ${REMOVE_GONE}`,
};

const FORGET_COUNT = {
  name: "delivery_forget_route_count",
  text: `
WITH counted AS (
  UPDATE route_counts SET route_count = route_count - $3
  WHERE tenant = $1 AND session_key = $2 AND route_count > $3
  RETURNING route_count
)
DELETE FROM route_counts
WHERE tenant = $1 AND session_key = $2 AND route_count <= $3 AND NOT EXISTS (SELECT FROM counted)`,
};

/** The lock under which a key's routes are made and removed. */
export async function lockRouteCount(sql: Sql, { tenant, sessionKey }: RoutedKey): Promise<void> {
  await sql.query(LOCK_COUNT, [tenant, sessionKey]);
}

/** So many of a key's routes are there no more. */
export async function uncountRoutes(
  sql: Sql,
  { tenant, sessionKey }: RoutedKey,
  count: number,
): Promise<void> {
  if (count > 0) await sql.query(FORGET_COUNT, [tenant, sessionKey, count]);
}

/**
 * Removes the routes of a key that has gone for good, with their history, but for those that a reply is kept of.
 * Gives how many. The count's row is locked first, as where a route is registered.
 */
export function forgetRoutesOf(db: DeliveryDatabase, key: RoutedKey): Promise<number> {
  return db.transaction(async (sql) => {
    await lockRouteCount(sql, key);
    const gone = await first<{ readonly count: number }>(sql, FORGET, [key.tenant, key.sessionKey]);
    const count = gone?.count ?? 0;
    await uncountRoutes(sql, key, count);
    return count;
  });
}
