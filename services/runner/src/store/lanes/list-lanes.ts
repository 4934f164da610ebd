import { keyIsWithin } from "@lanekeeper/postgres";
import type { KeyBounds } from "@lanekeeper/session-key";
import { rows, type Sql } from "../sql.ts";
import { isOpen } from "../state-in.ts";

/** A lane that has work. */
export interface BusyLane {
  readonly sessionKey: string;
  readonly depth: number;
  readonly activeTurnId: string | null;
  readonly heartbeatAgeMs: number | null;
}

/** Walks the index of open turns key by key: as cheap with a thousand turns in one lane as with one. */
const LIST_LANES = {
  name: "runner_list_lanes",
  text: `
WITH RECURSIVE busy AS (
  (SELECT session_key FROM turns
   WHERE tenant = $1 AND session_key > $2 AND ${isOpen("turns")} ORDER BY session_key LIMIT 1)
  UNION ALL
  SELECT (SELECT t.session_key FROM turns t
          WHERE t.tenant = $1 AND t.session_key > busy.session_key AND ${isOpen("t")}
          ORDER BY t.session_key LIMIT 1)
  FROM busy WHERE busy.session_key IS NOT NULL
), page AS (
  SELECT session_key FROM busy
  WHERE session_key IS NOT NULL AND ${keyIsWithin("session_key", "$4", "$5")} LIMIT $3)
SELECT l.session_key AS "sessionKey", l.depth, l.active_turn_id AS "activeTurnId",
  extract(epoch FROM clock_timestamp() - a.renewed_at)::float8 * 1000 AS "heartbeatAgeMs"
FROM page
JOIN lanes l ON l.tenant = $1 AND l.session_key = page.session_key
LEFT JOIN turns a ON a.tenant = $1 AND a.turn_id = l.active_turn_id
ORDER BY l.session_key`,
};

/** A tenant's lanes that have work and are within bounds, in key order, after a key. */
export function listLanes(
  sql: Sql,
  tenant: string,
  { agents, keyPrefixes }: KeyBounds,
  { afterKey, limit }: { readonly afterKey: string; readonly limit: number },
): Promise<BusyLane[]> {
  return rows(sql, LIST_LANES, [tenant, afterKey, limit, agents, keyPrefixes]);
}
