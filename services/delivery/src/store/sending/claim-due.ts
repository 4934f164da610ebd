import type { Claimed } from "./claimed.ts";
import { type Claimant, goOn } from "./go-on.ts";
import { type DeliveryDatabase, rows, type Sql } from "../sql.ts";

const LOCK_DUE = {
  name: "delivery_lock_due",
  text: `
SELECT tenant, route_id AS "routeId" FROM routes WHERE due_time <= now()
ORDER BY due_time LIMIT $1 FOR UPDATE SKIP LOCKED`,
};

/** What a replica sends already, by tenant, and how much of one tenant it may send. */
export interface Shares {
  readonly busy: ReadonlyMap<string, number>;
  readonly perTenant: number;
}

/**
 * Each tenant's routes that are due, by how many sends it would have with them. Tenants with something open are found
 * one by one in the index, so that what one of them has waiting is not looked through.
 */
const LOCK_FAIRLY = {
  name: "delivery_lock_due_fairly",
  text: `
WITH RECURSIVE tenants AS (
  (SELECT tenant FROM routes WHERE due_time IS NOT NULL ORDER BY tenant LIMIT 1)
  UNION ALL
  SELECT (SELECT r.tenant FROM routes r WHERE r.due_time IS NOT NULL AND r.tenant > t.tenant
    ORDER BY r.tenant LIMIT 1)
  FROM tenants t WHERE t.tenant IS NOT NULL
), ranked AS (
  SELECT d.tenant, d.route_id, d.due_time,
    coalesce(b.busy, 0) + row_number() OVER (PARTITION BY d.tenant ORDER BY d.due_time) AS turn
  FROM tenants t LEFT JOIN unnest($2::text[], $3::int[]) AS b (tenant, busy) ON b.tenant = t.tenant
  CROSS JOIN LATERAL (
    SELECT r.tenant, r.route_id, r.due_time FROM routes r
    WHERE r.tenant = t.tenant AND r.due_time <= now()
    ORDER BY r.due_time LIMIT greatest(0, least($1, $4 - coalesce(b.busy, 0)))
  ) d
)
SELECT r.tenant, r.route_id AS "routeId" FROM ranked JOIN routes r USING (tenant, route_id)
WHERE r.due_time <= now()
ORDER BY ranked.turn, ranked.due_time LIMIT $1 FOR UPDATE OF r SKIP LOCKED`,
};

/**
 * Claims the heads of up to `limit` routes that are due, each for one replica: those that have been due longest, or,
 * where `shares` are given, first those of tenants who have the fewest sends. Locked routes are left to whoever has
 * them.
 */
export function claimDue(
  db: DeliveryDatabase,
  claimant: Claimant,
  limit: number,
  shares?: Shares,
): Promise<readonly Claimed[]> {
  return db.transaction(async (sql) => {
    const due = await lockDue(sql, limit, shares);
    const routes = due.map((route) => ({ wantsNext: true, ...route }));
    return (await goOn(sql, claimant, routes)).flatMap(({ next }) => next ?? []);
  });
}

function lockDue(sql: Sql, limit: number, shares: Shares | undefined) {
  type Route = Readonly<Record<"tenant" | "routeId", string>>;
  if (shares === undefined) return rows<Route>(sql, LOCK_DUE, [limit]);
  const { busy, perTenant } = shares;
  const params = [limit, [...busy.keys()], [...busy.values()], perTenant];
  return rows<Route>(sql, LOCK_FAIRLY, params);
}
