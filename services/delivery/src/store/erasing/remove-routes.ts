import { stateCode } from "../../domain/delivery-state.ts";
import { lockRouteCount, REMOVE_GONE, type RoutedKey, uncountRoutes } from "../routes/gone-keys.ts";
import { type DeliveryDatabase, first, rows, type Sql } from "../sql.ts";
import { endUnsent } from "./end-unsent.ts";

const OPEN = `(${stateCode("PENDING")}, ${stateCode("SENDING")})`;

/** In the order of the rows' key, as everybody locks routes who locks several. */
const LOCK = {
  name: "delivery_lock_routes_of_erased",
  text: `
SELECT route_id AS "routeId" FROM routes
WHERE tenant = $1 AND session_key = $2 AND update_time < clock_timestamp() - $3::float8 * interval '1 millisecond'
ORDER BY tenant, route_id FOR UPDATE`,
};

/**
 * A statement of its own, which sees what was enqueued before the lock. By the key's replies, of which there are hardly
 * any by now, and not by the route's, which may be thousands of others.
 */
const WITHOUT_REPLIES = {
  name: "delivery_routes_without_own_replies",
  text: `
SELECT route_id AS "routeId" FROM unnest($3::uuid[]) AS r (route_id) WHERE route_id <> ALL (ARRAY (
  SELECT d.route_id FROM deliveries d WHERE d.tenant = $1 AND d.session_key = $2))`,
};

/** Replies of other conversations, which named the route. */
const WAITING = {
  name: "delivery_waiting_on_erased_routes",
  text: `
SELECT d.delivery_id AS "deliveryId" FROM routes r JOIN deliveries d
  ON d.tenant = r.tenant AND d.route_id = r.route_id AND d.route_seq >= r.head_seq
WHERE r.tenant = $1 AND r.route_id = ANY ($2::uuid[]) AND d.state = ${stateCode("PENDING")} LIMIT $3`,
};

const REMOVE = {
  name: "delivery_remove_erased_routes",
  text: `
WITH gone AS (
  SELECT r.tenant, r.route_id FROM routes r
  WHERE r.tenant = $1 AND r.route_id = ANY ($2::uuid[]) AND NOT EXISTS (SELECT FROM deliveries d
    WHERE d.tenant = r.tenant AND d.route_id = r.route_id AND d.route_seq >= r.head_seq AND d.state IN ${OPEN})
), ${REMOVE_GONE}`,
};

const LEFT = {
  name: "delivery_routes_left",
  text: "SELECT count(*)::int AS count FROM routes WHERE tenant = $1 AND session_key = $2",
};

export interface RouteRemoval extends RoutedKey {
  /** What was registered within that time stays for now: whoever did that may have come back. */
  readonly quietMs: number;
  /** Replies of others that are ended at once. */
  readonly limit: number;
}

export interface RemovedRoutes {
  readonly removed: number;
  readonly left: number;
}

const NOWHERE = {
  outcome: "refused",
  error: "the conversation whose address this was has been erased",
} as const;

/**
 * Removes the routes of a key that is erased, and to which nobody came back, with their history. One that a reply of the
 * key itself is kept of stays as long as that. Replies of others, as of a schedule that is told the route, do not keep
 * the address: those that wait for it have failed. The count's row is locked first, as where a route is registered.
 */
export function removeRoutes(db: DeliveryDatabase, wanted: RouteRemoval): Promise<RemovedRoutes> {
  const { tenant, sessionKey, quietMs } = wanted;
  return db.transaction(async (sql) => {
    await lockRouteCount(sql, wanted);
    const locked = await rows<Route>(sql, LOCK, [tenant, sessionKey, quietMs]);
    const removed = locked.length === 0 ? 0 : await removeThese(sql, wanted, locked.map(idOf));
    await uncountRoutes(sql, wanted, removed);
    return { removed, left: await count(sql, LEFT, [tenant, sessionKey]) };
  });
}

interface Route {
  readonly routeId: string;
}

function idOf({ routeId }: Route): string {
  return routeId;
}

async function removeThese(
  sql: Sql,
  { tenant, sessionKey, limit }: RouteRemoval,
  locked: readonly string[],
): Promise<number> {
  const found = await rows<Route>(sql, WITHOUT_REPLIES, [tenant, sessionKey, locked]);
  const going = found.map(idOf);
  if (going.length === 0) return 0;
  type Waiting = Readonly<Record<"deliveryId", string>>;
  const waiting = await rows<Waiting>(sql, WAITING, [tenant, going, limit]);
  const ids = waiting.map(({ deliveryId }) => deliveryId);
  await endUnsent(sql, tenant, ids, NOWHERE);
  return count(sql, REMOVE, [tenant, going]);
}

async function count(
  sql: Sql,
  statement: typeof LEFT,
  params: readonly unknown[],
): Promise<number> {
  return (await first<{ readonly count: number }>(sql, statement, params))?.count ?? 0;
}
