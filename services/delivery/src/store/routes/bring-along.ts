import type { Place } from "../../domain/route-place.ts";
import { first, type Sql } from "../sql.ts";
import { leadElsewhere } from "./move-routes.ts";

/** Where a conversation is now, and the key's routes that still lead to an id that it had. */
const LOOK = {
  name: "delivery_find_routes_left_behind",
  text: `
WITH now AS (
  SELECT coalesce((SELECT current_address FROM moved_addresses
    WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND address = $4), $4) AS address
), behind AS (
  SELECT r.route_id, r.address
  FROM now JOIN moved_addresses m ON m.tenant = $1 AND m.kind = $2 AND m.account_id = $3
    AND m.current_address = now.address AND m.address <> now.address
  JOIN routes r ON r.tenant = $1 AND r.kind = $2 AND r.kind IN (2, 3) AND r.account_id = $3
    AND r.address = m.address
  WHERE r.session_key = $5 AND r.thread_id = $6
)
SELECT now.address, ARRAY(SELECT route_id FROM behind)::text[] AS "routeIds",
  ARRAY(SELECT address FROM behind) AS "from"
FROM now`,
};

interface Asked extends Place {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly principal: string;
}

/**
 * A route to a conversation that has got another id, where not all of them are moved yet: the key's own to it is
 * moved first, so that what is said at the new id stands behind what waits for the old one. Gives the id by which
 * the conversation is reached now. The key's row is locked.
 */
export async function bringAlong(sql: Sql, asked: Asked): Promise<string> {
  const { tenant, kind, accountId, address, threadId, sessionKey, principal } = asked;
  interface Found {
    readonly address: string;
    readonly routeIds: readonly string[];
    readonly from: readonly string[];
  }
  const params = [tenant, kind, accountId, address, sessionKey, threadId];
  const found = await first<Found>(sql, LOOK, params);
  if (found === undefined || found.routeIds.length === 0) return found?.address ?? address;
  const { routeIds, from, address: to } = found;
  const note = `the conversation became ${to}`;
  await leadElsewhere(sql, { tenant, routeIds, from, to }, { principal, note });
  return to;
}
