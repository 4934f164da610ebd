import { first, type Sql } from "../sql.ts";

/**
 * The one of a key's routes that was silent longest: nobody has spoken from its place for so long, nothing is under
 * way to it, and no reply to it is remembered. A default route is somebody's choice and stays. Locked, so that
 * a reply that is being handed over either finds it gone or keeps it.
 */
const FORGET_SILENT = {
  name: "delivery_forget_silent_route",
  text: `
WITH silent AS (
  SELECT r.tenant, r.route_id FROM routes r
  WHERE r.tenant = $1 AND r.session_key = $2 AND NOT r.is_default
    AND r.due_time IS NULL AND r.blocked_by IS NULL
    AND r.update_time < clock_timestamp() - $3::float8 * interval '1 millisecond'
    AND NOT EXISTS (SELECT FROM deliveries d WHERE d.tenant = r.tenant AND d.route_id = r.route_id)
  ORDER BY r.update_time LIMIT 1 FOR UPDATE
), history AS (
  DELETE FROM route_changes c USING silent s WHERE c.tenant = s.tenant AND c.route_id = s.route_id
)
DELETE FROM routes r USING silent s WHERE r.tenant = s.tenant AND r.route_id = s.route_id
RETURNING r.route_id AS "routeId"`,
};

/** Takes away a route of a key that has as many as it may. Gives its id; undefined: none is silent for so long. */
export async function forgetSilent(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  silentMs: number,
): Promise<string | undefined> {
  const gone = await first<{ routeId: string }>(sql, FORGET_SILENT, [tenant, sessionKey, silentMs]);
  return gone?.routeId;
}
