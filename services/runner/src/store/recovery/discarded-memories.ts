import { rows, type Sql } from "../sql.ts";

/** A memory as it stands in its table's order. */
export interface MemoryPlace {
  readonly tenant: string;
  readonly turnId: string;
  readonly step: number;
}

/** Whether a memory counts is said by its turn; of one that has ended without its input it never does. */
const FORGET_PAGE = {
  name: "runner_forget_discarded_memories",
  text: `
WITH page AS MATERIALIZED (
  SELECT tenant, turn_id, step FROM memories
  WHERE (tenant, turn_id, step) > ($1, $2::uuid, $3::int)
  ORDER BY tenant, turn_id, step LIMIT $4
), gone AS (
  DELETE FROM memories m
  USING page p LEFT JOIN turns t ON t.tenant = p.tenant AND t.turn_id = p.turn_id
  WHERE m.tenant = p.tenant AND m.turn_id = p.turn_id AND m.step = p.step
    AND (t.turn_id IS NULL
      OR NOT t.is_told AND t.end_time < clock_timestamp() - $5 * interval '1 ms')
)
SELECT tenant, turn_id AS "turnId", step FROM page ORDER BY tenant, turn_id, step`,
};

/**
 * Removes, of the memories that follow a place in the table, those of turns that were rolled back or
 * rotated away so long ago. Gives the page, what was removed included.
 */
export function forgetDiscardedMemories(
  sql: Sql,
  after: MemoryPlace,
  limit: number,
  olderThanMs: number,
): Promise<MemoryPlace[]> {
  const { tenant, turnId, step } = after;
  return rows(sql, FORGET_PAGE, [tenant, turnId, step, limit, olderThanMs]);
}
