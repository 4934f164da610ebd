import type { RunnerDatabase, Sql } from "../sql.ts";

/** In one order; what somebody holds is his. */
const LOCK = {
  name: "runner_lock_erased_lanes",
  text: `
SELECT FROM lanes WHERE tenant = $1 AND session_key = ANY ($2::text[])
ORDER BY session_key FOR UPDATE SKIP LOCKED`,
};

/**
 * Lanes of which nothing tells any more. Whoever comes back finds none, and makes one: its numbers begin anew, and
 * nothing is left that was numbered before.
 */
const ERASE = {
  name: "runner_erase_lanes",
  text: `
DELETE FROM lanes l WHERE l.tenant = $1 AND l.session_key = ANY ($2::text[])
  AND l.holder_run_id IS NULL AND l.depth = 0
  AND NOT EXISTS (SELECT FROM turns t WHERE t.tenant = l.tenant AND t.session_key = l.session_key)
  AND NOT EXISTS (SELECT FROM sessions s WHERE s.tenant = l.tenant AND s.session_key = l.session_key)`,
};

const FORGET_NOTES = {
  name: "runner_erase_minted_keys",
  text: `
DELETE FROM minted_keys k WHERE k.tenant = $1 AND k.session_key = ANY ($2::text[])
  AND NOT EXISTS (SELECT FROM lanes l WHERE l.tenant = k.tenant AND l.session_key = k.session_key)`,
};

/**
 * Removes lanes of keys under which nothing is left, with the notes that they were minted. Looks in statements of
 * their own: a turn that was accepted while the lane's lock was waited for is seen.
 */
export function eraseLanes(
  db: RunnerDatabase,
  tenant: string,
  keys: readonly string[],
): Promise<void> {
  return db.transaction(async (sql: Sql) => {
    for (const statement of [LOCK, ERASE, FORGET_NOTES]) await sql.query(statement, [tenant, keys]);
  });
}
