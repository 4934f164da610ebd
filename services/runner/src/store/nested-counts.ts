import { first, type Sql } from "./sql.ts";

/** A turn of a request from outside, of which nested turns come. */
export interface Root {
  readonly tenant: string;
  readonly rootTurnId: string;
}

const COUNT = {
  name: "runner_count_nested",
  text: `
INSERT INTO nested_counts AS c (tenant, root_turn_id, sent, sent_time)
VALUES ($1, $2, 1, clock_timestamp())
ON CONFLICT (tenant, root_turn_id) DO UPDATE SET sent = c.sent + 1, sent_time = excluded.sent_time
WHERE c.sent < $3
RETURNING c.sent`,
};

/**
 * One more, in the transaction that admits it: those of one root wait for each other there. False: there
 * are `most` already, and nothing was changed.
 */
export async function countNested(sql: Sql, root: Root, most: number): Promise<boolean> {
  return (await first(sql, COUNT, [root.tenant, root.rootTurnId, most])) !== undefined;
}

const READ = {
  name: "runner_read_nested_count",
  text: "SELECT sent FROM nested_counts WHERE tenant = $1 AND root_turn_id = $2",
};

/** How many nested turns have come of a root. */
export async function readNestedCount(sql: Sql, root: Root): Promise<number> {
  return (await first<{ sent: number }>(sql, READ, [root.tenant, root.rootTurnId]))?.sent ?? 0;
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
