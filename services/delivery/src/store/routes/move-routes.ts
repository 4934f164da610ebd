import { placeDigest } from "../../domain/route-place.ts";
import { type Changer, recordChange } from "./record-change.ts";
import { type DeliveryDatabase, rows, type Sql } from "../sql.ts";

/** Where routes lead to, whatever their thread. */
export interface ChatPlace {
  readonly tenant: string;
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
}

const KEYS = {
  name: "delivery_keys_of_place",
  text: `
SELECT DISTINCT session_key AS "sessionKey" FROM routes
WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND address = $4`,
};

/** Session keys with a route to there. */
export async function keysOfPlace(sql: Sql, place: ChatPlace): Promise<string[]> {
  const found = await rows<{ sessionKey: string }>(sql, KEYS, named(place));
  return found.map(({ sessionKey }) => sessionKey);
}

/** In the order of the rows' key, as everybody locks routes who locks several. */
const LOCK = {
  name: "delivery_lock_routes_of_place",
  text: `
SELECT route_id AS "routeId", thread_id AS "threadId" FROM routes
WHERE tenant = $1 AND kind = $2 AND account_id = $3 AND address = $4
ORDER BY tenant, route_id FOR UPDATE`,
};

/** What was registered for the new address meanwhile keeps its place; this one leads there too. */
const MOVE = {
  name: "delivery_move_route",
  text: `
UPDATE routes r SET address = $3, change_number = change_number + 1,
  place = CASE WHEN EXISTS (SELECT 1 FROM routes o WHERE o.tenant = r.tenant
    AND o.session_key = r.session_key AND o.place = $4) THEN r.place ELSE $4 END
WHERE r.tenant = $1 AND r.route_id = $2`,
};

/** The key's row is the lock under which its places are made. */
const LOCK_KEYS = {
  name: "delivery_lock_keys_of_place",
  text: `
SELECT 1 FROM route_counts WHERE tenant = $1 AND session_key = ANY ($2::text[])
ORDER BY tenant, session_key FOR UPDATE`,
};

/**
 * Leads all routes to a place to another address, with what waits on them. Repeated it finds nothing to
 * move. Every change stands in the routes' histories.
 */
export function moveRoutes(
  db: DeliveryDatabase,
  place: ChatPlace,
  address: string,
  changer: Changer,
): Promise<void> {
  return db.transaction(async (sql) => {
    await sql.query(LOCK_KEYS, [place.tenant, await keysOfPlace(sql, place)]);
    const moved = await rows<{ routeId: string; threadId: string }>(sql, LOCK, named(place));
    for (const { routeId, threadId } of moved) {
      const { tenant, kind, accountId } = place;
      const digest = placeDigest({ kind, accountId, address, threadId });
      await sql.query(MOVE, [tenant, routeId, address, digest]);
    }
    const ids = moved.map(({ routeId }) => routeId);
    await recordChange(sql, place.tenant, ids, changer);
  });
}

function named({ tenant, kind, accountId, address }: ChatPlace): unknown[] {
  return [tenant, kind, accountId, address];
}
