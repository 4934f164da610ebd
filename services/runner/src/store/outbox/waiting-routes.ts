import { rows, type Sql } from "../sql.ts";
import { isQueued } from "../state-in.ts";

/** A turn whose reply will go to a route. */
export interface RoutedTurn {
  readonly sessionKey: string;
  readonly turnId: string;
  /** Empty: to those attached alone. */
  readonly routeId: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly principal: string;
  readonly requestId: string;
}

const WAITING = {
  name: "runner_waiting_routes",
  text: `
SELECT DISTINCT ON (route_id) session_key AS "sessionKey", turn_id AS "turnId", route_id AS "routeId",
  admitted_session_id AS "sessionId", admitted_generation AS generation, principal,
  request_id AS "requestId"
FROM turns
WHERE tenant = $1 AND session_key = $2 AND ${isQueued("turns")} AND route_id <> ''
ORDER BY route_id, lane_seq LIMIT $3`,
};

/** One turn for each route to which the replies of a lane's waiting turns will go. */
export function waitingRoutes(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  limit: number,
): Promise<RoutedTurn[]> {
  return rows<RoutedTurn>(sql, WAITING, [tenant, sessionKey, limit]);
}
