import { LIMITS } from "../../limits.ts";
import type { Sql } from "../sql.ts";

/** Who changes a route, and why. */
export interface Changer {
  readonly principal: string;
  readonly note: string;
}

const RECORD = {
  name: "delivery_record_route_change",
  text: `
INSERT INTO route_changes (tenant, route_id, change_number, source, is_default, on_failure, on_unknown,
  blocked_by, address, principal, note, create_time)
SELECT tenant, route_id, change_number, source, is_default, on_failure, on_unknown, blocked_by, address, $3,
  $4, clock_timestamp()
FROM routes WHERE tenant = $1 AND route_id = ANY ($2::uuid[])`,
};

const FORGET = {
  name: "delivery_forget_route_changes",
  text: `
DELETE FROM route_changes c USING routes r
WHERE r.tenant = $1 AND r.route_id = ANY ($2::uuid[]) AND c.tenant = r.tenant
  AND c.route_id = r.route_id AND c.change_number <= r.change_number - $3`,
};

/** Adds how these routes stand now to their histories; their change numbers have been raised. */
export async function recordChange(
  sql: Sql,
  tenant: string,
  routeIds: readonly string[],
  { principal, note }: Changer,
): Promise<void> {
  if (routeIds.length === 0) return;
  await sql.query(RECORD, [tenant, routeIds, principal, note]);
  await sql.query(FORGET, [tenant, routeIds, LIMITS.changesPerRoute]);
}
