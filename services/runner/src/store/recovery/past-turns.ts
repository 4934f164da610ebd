/**
 * Up to which id turns are older than so many ms: ids are UUIDv7 (RFC 9562), whose first 48 bits are the
 * ms since 1970 at which they were minted, and a turn is minted before it ends. Of the statement's time: with a clock that goes on no index
 * would be used.
 */
export function lastIdBefore(ms: string): string {
  return `(lpad(to_hex(floor(extract(epoch from statement_timestamp() - ${ms} * interval '1 ms') * 1000)::bigint),
    12, '0') || '70008000000000000000')::uuid`;
}

/**
 * Whether something still goes by the row of the turn `t`, however long ago it ended. What goes by it for a
 * day at most (requests, events, steps of tools) is removed before.
 */
export const isInUse = (ms: string): string => `(
  t.end_time IS NULL OR t.end_time >= clock_timestamp() - ${ms} * interval '1 ms'
  -- Its outcome is told once: to its parent's turn, or as this turn.
  OR EXISTS (SELECT FROM child_turns c WHERE c.tenant = t.tenant
    AND c.child_turn_id IN (t.turn_id, t.child_turn_id))
  OR EXISTS (SELECT FROM turns k WHERE k.tenant = t.tenant AND k.parent_turn_id = t.turn_id
    AND (k.end_time IS NULL
      -- Of a task that it gave away something stands yet, such as what is remembered of it: found by this turn only.
      OR split_part(k.session_key, ':', 3) = 'subagent'
      OR EXISTS (SELECT FROM child_turns c WHERE c.tenant = k.tenant AND c.child_turn_id = k.turn_id)))
  OR EXISTS (SELECT FROM nested_counts n WHERE n.tenant = t.tenant AND n.root_turn_id = t.turn_id))`;

/** Whether a memory stands with the turn `t`: memories count as long as their turn says so. */
const REMEMBERS = `(t.is_told AND EXISTS (
  SELECT FROM memories m WHERE m.tenant = t.tenant AND m.turn_id = t.turn_id))`;

/**
 * Removes turns with their runs. `from` is what follows FROM and gives `t`, up to a limit; of it those go
 * that nothing needs. Gives one row with the `count`.
 */
export function forgettingTurns(from: string, ms: string, limit: string): string {
  return `
WITH gone AS (
  DELETE FROM turns WHERE (tenant, turn_id) IN (
    SELECT t.tenant, t.turn_id FROM ${from} AND NOT ${isInUse(ms)} AND NOT ${REMEMBERS}
    LIMIT ${limit} FOR UPDATE OF t SKIP LOCKED)
  RETURNING tenant, turn_id
), runs AS (
  DELETE FROM runs r USING gone WHERE r.tenant = gone.tenant AND r.turn_id = gone.turn_id
)
SELECT count(*)::int AS count FROM gone`;
}
