import type { Claimed } from "./claimed.ts";
import { type Claimant, goOn } from "./go-on.ts";
import { type DeliveryDatabase, rows } from "../sql.ts";

const LOCK_DUE = {
  name: "delivery_lock_due",
  text: `
SELECT tenant, route_id AS "routeId" FROM routes WHERE due_time <= now()
ORDER BY due_time LIMIT $1 FOR UPDATE SKIP LOCKED`,
};

/**
 * Claims the heads of up to `limit` routes that are due, each for one replica. Locked routes are left to
 * whoever has them.
 */
export function claimDue(
  db: DeliveryDatabase,
  claimant: Claimant,
  limit: number,
): Promise<readonly Claimed[]> {
  return db.transaction(async (sql) => {
    const due = await rows<{ tenant: string; routeId: string }>(sql, LOCK_DUE, [limit]);
    const routes = due.map((route) => ({ ...route, wantsNext: true }));
    return (await goOn(sql, claimant, routes)).flatMap(({ next }) => next ?? []);
  });
}
