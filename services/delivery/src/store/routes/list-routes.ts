import { ROUTE_COLUMNS, type RouteRow } from "./route-row.ts";
import { rows, type Sql } from "../sql.ts";

const LIST = {
  name: "delivery_list_routes",
  text: `
SELECT ${ROUTE_COLUMNS} FROM routes WHERE tenant = $1 AND session_key = $2
ORDER BY create_time, route_id LIMIT $3`,
};

/** A key's routes, the oldest first. */
export function listRoutes(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  limit: number,
): Promise<RouteRow[]> {
  return rows<RouteRow>(sql, LIST, [tenant, sessionKey, limit]);
}
