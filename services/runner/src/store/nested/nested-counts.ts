import { LIMITS } from "../../limits.ts";
import { first, type Sql } from "../sql.ts";

/** A turn of a request from outside, of which nested turns come. */
export interface Root {
  readonly tenant: string;
  readonly rootTurnId: string;
}

const COUNT = {
  name: "runner_count_nested",
  text: `
INSERT INTO nested_counts AS c (tenant, root_turn_id, sent, sent_time, allowed)
VALUES ($1, $2, 1, clock_timestamp(), $3)
ON CONFLICT (tenant, root_turn_id) DO UPDATE SET sent = c.sent + 1, sent_time = excluded.sent_time
WHERE c.sent < coalesce(c.allowed, ${LIMITS.nestedTurnsPerRequest})
RETURNING c.sent`,
};

/**
 * One more, in the transaction that admits it: those of one root wait for each other there. The first, which
 * the root itself sends, says how many there may be. False: there are so many, and nothing was changed.
 */
export async function countNested(sql: Sql, root: Root, allowed: number): Promise<boolean> {
  return (await first(sql, COUNT, [root.tenant, root.rootTurnId, allowed])) !== undefined;
}

/** Nested turns that have come of a root. */
export interface NestedCount {
  readonly sent: number;
  readonly allowed: number;
}

const READ = {
  name: "runner_read_nested_count",
  text: `
SELECT sent, coalesce(allowed, ${LIMITS.nestedTurnsPerRequest}) AS allowed FROM nested_counts
WHERE tenant = $1 AND root_turn_id = $2`,
};

/** Undefined: none has come of it yet. */
export function readNestedCount(sql: Sql, root: Root): Promise<NestedCount | undefined> {
  return first<NestedCount>(sql, READ, [root.tenant, root.rootTurnId]);
}

const FORGET = {
  name: "runner_forget_nested_counts",
  text: `
DELETE FROM nested_counts WHERE (tenant, root_turn_id) IN (
  SELECT tenant, root_turn_id FROM nested_counts
  WHERE sent_time < clock_timestamp() - $1 * interval '1 ms' LIMIT $2)`,
};

/** Removes those that nothing has come of for so long. Gives how many. */
export async function forgetNestedCounts(
  sql: Sql,
  olderThanMs: number,
  limit: number,
): Promise<number> {
  return (await sql.query(FORGET, [olderThanMs, limit])).rowCount;
}
