import { LIMITS } from "../../limits.ts";
import { first, rows, type Sql } from "../sql.ts";

/** Sql: a lane's outbox has no room; the look goes no further than the bound. */
export function outboxIsFull(tenant: string, sessionKey: string): string {
  return `EXISTS (SELECT FROM outbox o
    WHERE o.tenant = ${tenant} AND o.session_key = ${sessionKey} AND o.refusal IS NULL
    ORDER BY o.outbox_id OFFSET ${LIMITS.unsentRepliesPerLane - 1} LIMIT 1)`;
}

const LANE_IS_FULL = {
  name: "runner_outbox_is_full",
  text: `SELECT ${outboxIsFull("$1", "$2")} AS "isFull"`,
};

/** Whether as many replies of a lane as may have not reached delivery. */
export async function laneOutboxIsFull(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<boolean> {
  return (
    (await first<{ isFull: boolean }>(sql, LANE_IS_FULL, [tenant, sessionKey]))?.isFull === true
  );
}

const COUNT = {
  name: "runner_count_outbox",
  text: "SELECT tenant, count(*)::int AS unsent FROM outbox WHERE refusal IS NULL GROUP BY tenant",
};

/** How many replies of each tenant have not reached delivery. */
export function countUnsent(
  sql: Sql,
): Promise<{ readonly tenant: string; readonly unsent: number }[]> {
  return rows(sql, COUNT, []);
}
