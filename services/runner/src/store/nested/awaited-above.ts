import { first, type Sql } from "../sql.ts";

/** A turn that has not ended, and of which the one that sent it waits for the outcome. */
const AWAITED = `c.is_awaited AND c.told IS NULL AND p.end_time IS NULL`;

const PARENT = `JOIN turns p ON p.tenant = c.tenant AND p.turn_id = c.parent_turn_id`;

const AWAITED_ABOVE = {
  name: "runner_awaited_above",
  text: `
WITH RECURSIVE above AS (
  SELECT p.turn_id, p.session_key FROM child_turns c ${PARENT}
  WHERE c.tenant = $1 AND c.child_turn_id = $2 AND ${AWAITED}
  UNION
  SELECT p.turn_id, p.session_key FROM above JOIN child_turns c ON c.child_turn_id = above.turn_id ${PARENT}
  WHERE c.tenant = $1 AND ${AWAITED}
)
SELECT EXISTS (SELECT FROM above WHERE session_key = $3) AS "isAwaited"`,
};

/**
 * Whether a turn of this lane waits for the turn, or for one that does: also one whose run has died or was given
 * back, whose edge is void until its next run makes the send again.
 */
export async function isAwaitedAbove(
  sql: Sql,
  { tenant, turnId }: { readonly tenant: string; readonly turnId: string },
  sessionKey: string,
): Promise<boolean> {
  type Row = { readonly isAwaited: boolean };
  const row = await first<Row>(sql, AWAITED_ABOVE, [tenant, turnId, sessionKey]);
  return row?.isAwaited === true;
}
