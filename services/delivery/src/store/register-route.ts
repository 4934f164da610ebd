import { placeDigest, type Place } from "../domain/route-place.ts";
import { ROUTE_COLUMNS, type RouteRow } from "./route-row.ts";
import { type DeliveryDatabase, first, type Sql } from "./sql.ts";

/** A route to be registered. The id and the secret count only where the place is new. */
export interface NewRoute extends Place {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly routeId: string;
  readonly source: string;
  readonly isDefault: boolean;
  readonly signingSecret: string;
}

const RENEW = {
  name: "delivery_renew_route",
  text: `
UPDATE routes SET source = $4, is_default = $5, update_time = clock_timestamp()
WHERE tenant = $1 AND session_key = $2 AND place = $3
RETURNING ${ROUTE_COLUMNS}`,
};

const COUNT = {
  name: "delivery_count_route",
  text: `
INSERT INTO route_counts (tenant, session_key, route_count) VALUES ($1, $2, 1)
ON CONFLICT (tenant, session_key) DO UPDATE SET route_count = route_counts.route_count + 1
RETURNING route_count AS "routeCount"`,
};

const UNCOUNT = {
  name: "delivery_uncount_route",
  text: `UPDATE route_counts SET route_count = route_count - 1 WHERE tenant = $1 AND session_key = $2`,
};

const INSERT = {
  name: "delivery_insert_route",
  text: `
INSERT INTO routes (tenant, session_key, place, source, is_default, route_id, kind, account_id,
  address, thread_id, signing_secret, create_time, update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now(), now())
RETURNING ${ROUTE_COLUMNS}`,
};

/**
 * The route at this place, made where there is none. Undefined: the key has `maxRoutes` of them. The
 * count's row is the lock: whoever waited for it looks again, and finds what its twin made.
 */
export async function registerRoute(
  db: DeliveryDatabase,
  route: NewRoute,
  maxRoutes: number,
): Promise<RouteRow | undefined> {
  const renewed = await renew(db, route);
  if (renewed !== undefined) return renewed;
  return db.transaction(async (sql) => {
    const key = [route.tenant, route.sessionKey];
    const counted = await first<{ routeCount: number }>(sql, COUNT, key);
    const made = await renew(sql, route);
    const isFull = (counted?.routeCount ?? 0) > maxRoutes;
    if (made === undefined && !isFull) return insert(sql, route);
    await sql.query(UNCOUNT, key);
    return made;
  });
}

function renew(sql: Sql, route: NewRoute): Promise<RouteRow | undefined> {
  return first<RouteRow>(sql, RENEW, placed(route));
}

function insert(sql: Sql, route: NewRoute): Promise<RouteRow | undefined> {
  const { routeId, kind, accountId, address, threadId, signingSecret } = route;
  const rest = [routeId, kind, accountId, address, threadId, signingSecret];
  return first<RouteRow>(sql, INSERT, [...placed(route), ...rest]);
}

function placed(route: NewRoute): unknown[] {
  const { tenant, sessionKey, source, isDefault } = route;
  return [tenant, sessionKey, placeDigest(route), source, isDefault];
}
