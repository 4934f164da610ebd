import { type Place, placeDigest } from "../../domain/route-place.ts";
import { type DeliveryDatabase, rows, type Sql } from "../sql.ts";
import { type ChatPlace, placeParams } from "./chat-place.ts";
import { type Changer, recordChange } from "./record-change.ts";

const AGENTS = {
  name: "delivery_agents_of_conversation",
  text: `
SELECT DISTINCT split_part(session_key, ':', 2) AS agent FROM routes
WHERE tenant = $1 AND kind = $2 AND kind IN (2, 3) AND account_id = $3 AND address = $4`,
};

/** Whose sessions have a route to there. */
export async function agentsOfPlace(sql: Sql, place: ChatPlace): Promise<string[]> {
  const found = await rows<{ agent: string }>(sql, AGENTS, placeParams(place));
  return found.map(({ agent }) => agent);
}

const LEADING_THERE = {
  name: "delivery_routes_of_conversation",
  text: `
(SELECT route_id AS "routeId", session_key AS "sessionKey" FROM routes
  WHERE tenant = $1 AND kind = $2 AND kind IN (2, 3) AND account_id = $3 AND address = $4
  ORDER BY route_id LIMIT $5)
UNION
SELECT route_id, session_key FROM routes WHERE tenant = $1 AND route_id = $6 AND address = $4`,
};

/** The key's row is the lock under which its places are made. */
const LOCK_KEYS = {
  name: "delivery_lock_keys_of_routes",
  text: `
SELECT 1 FROM route_counts WHERE tenant = $1 AND session_key = ANY ($2::text[])
ORDER BY tenant, session_key FOR UPDATE`,
};

/** In the order of the rows' key, as everybody locks routes who locks several. */
const LOCK = {
  name: "delivery_lock_routes_to_move",
  text: `
SELECT route_id AS "routeId", kind, account_id AS "accountId", thread_id AS "threadId" FROM routes
WHERE tenant = $1 AND route_id = ANY ($2::uuid[]) AND address = ANY ($3::text[])
ORDER BY tenant, route_id FOR UPDATE`,
};

/** What was registered for the new address meanwhile keeps its place; the one that is moved leads there too. */
const MOVE = {
  name: "delivery_move_routes",
  text: `
WITH moving AS (
  SELECT r.route_id, i.place,
    row_number() OVER (PARTITION BY r.session_key, i.place ORDER BY r.route_id) = 1 AND NOT EXISTS (
      SELECT FROM routes o WHERE o.tenant = r.tenant AND o.session_key = r.session_key AND o.place = i.place
    ) AS is_free
  FROM unnest($2::uuid[], $3::bytea[]) AS i (route_id, place)
  JOIN routes r ON r.tenant = $1 AND r.route_id = i.route_id
)
UPDATE routes r SET address = $4, change_number = change_number + 1,
  place = CASE WHEN m.is_free THEN m.place ELSE r.place END
FROM moving m WHERE r.tenant = $1 AND r.route_id = m.route_id`,
};

/** Routes to be led elsewhere, as far as they still lead to where they did. */
export interface Leading {
  readonly tenant: string;
  readonly routeIds: readonly string[];
  readonly from: readonly string[];
  readonly to: string;
}

/** Leads routes elsewhere, with what waits on them. Their keys' rows are locked. */
export async function leadElsewhere(
  sql: Sql,
  { tenant, routeIds, from, to: address }: Leading,
  changer: Changer,
): Promise<void> {
  type Row = Omit<Place, "address"> & { readonly routeId: string };
  const locked = await rows<Row>(sql, LOCK, [tenant, routeIds, from]);
  if (locked.length === 0) return;
  const ids = locked.map(({ routeId }) => routeId);
  const places = locked.map((route) => placeDigest({ ...route, address }));
  await sql.query(MOVE, [tenant, ids, places, address]);
  await recordChange(sql, tenant, ids, changer);
}

/**
 * Leads up to `limit` routes to a conversation to another address, and the one that is named at any rate. Gives how
 * many it has found, fewer than that where none is left. Repeated it finds nothing to move. Every change stands in
 * the routes' histories.
 */
export function moveRoutes(
  db: DeliveryDatabase,
  place: ChatPlace,
  address: string,
  { limit, ...changer }: Changer & { readonly limit: number },
  routeId?: string,
): Promise<number> {
  return db.transaction(async (sql) => {
    type Row = Readonly<Record<"routeId" | "sessionKey", string>>;
    const found = await rows<Row>(sql, LEADING_THERE, [
      ...[...placeParams(place), limit, routeId ?? null],
    ]);
    if (found.length === 0) return 0;
    const keys = new Set(found.map(({ sessionKey }) => sessionKey));
    await sql.query(LOCK_KEYS, [place.tenant, [...keys]]);
    const routeIds = found.map(({ routeId }) => routeId);
    const { tenant, address: old } = place;
    await leadElsewhere(sql, { tenant, routeIds, from: [old], to: address }, changer);
    return found.length;
  });
}
