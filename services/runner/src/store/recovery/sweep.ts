import { rows, type Sql } from "../sql.ts";
import { isOpen, isQueued, isWaiting } from "../state-in.ts";
import { type StoredTurn, TURN_COLUMNS, type TurnRow, turnOf } from "../turn-row.ts";

const STALE_TURNS = {
  name: "runner_stale_turns",
  text: `
SELECT ${TURN_COLUMNS} FROM (
  SELECT *, row_number() OVER (PARTITION BY tenant ORDER BY renewed_at) AS nth FROM turns
  WHERE ${isOpen("turns")} AND session_key IS NOT NULL AND run_id IS NOT NULL
    AND renewed_at < clock_timestamp() - $1 * interval '1 ms'
) t
ORDER BY t.nth, t.renewed_at LIMIT $2`,
};

/**
 * Held turns of lanes whose run has not renewed for a lease, of each tenant the longest first: those of one that may
 * have no more room must not hide the others'.
 */
export async function staleTurns(sql: Sql, leaseMs: number, limit: number): Promise<StoredTurn[]> {
  return (await rows<TurnRow>(sql, STALE_TURNS, [leaseMs, limit])).map(turnOf);
}

const IDLE_LANES = {
  name: "runner_idle_lanes",
  text: `
SELECT t.tenant, t.session_key AS "sessionKey"
FROM turns t JOIN lanes l ON l.tenant = t.tenant AND l.session_key = t.session_key
WHERE ${isWaiting("t")} AND l.holder_run_id IS NULL
  AND t.accept_time < clock_timestamp() - $1 * interval '1 ms' AND NOT t.tenant = ANY ($3)
GROUP BY t.tenant, t.session_key
ORDER BY random() LIMIT $2`,
};

/**
 * Lanes with a waiting turn and no holder, of other tenants than these; any of them, since many may wait for a
 * bound on concurrent runs, and must not hide the others.
 */
export function idleLanes(
  sql: Sql,
  olderThanMs: number,
  withoutTenants: readonly string[],
  limit: number,
): Promise<{ readonly tenant: string; readonly sessionKey: string }[]> {
  return rows(sql, IDLE_LANES, [olderThanMs, limit, withoutTenants]);
}

const OLDEST_IDLE_LANES = {
  name: "runner_oldest_idle_lanes",
  text: `
SELECT t.session_key AS "sessionKey"
FROM turns t JOIN lanes l ON l.tenant = t.tenant AND l.session_key = t.session_key
WHERE t.tenant = $1 AND ${isWaiting("t")}
  AND l.holder_run_id IS NULL AND NOT t.agent_id = ANY ($2) AND NOT t.session_key = ANY ($3)
GROUP BY t.session_key
ORDER BY min(t.accept_time) LIMIT $4`,
};

/** A tenant's lanes with a waiting turn and no holder, whose turn was accepted first the first. */
export async function oldestIdleLanes(
  sql: Sql,
  tenant: string,
  withoutAgents: readonly string[],
  withoutKeys: readonly string[],
  limit: number,
): Promise<string[]> {
  const params = [tenant, withoutAgents, withoutKeys, limit];
  const found = await rows<{ sessionKey: string }>(sql, OLDEST_IDLE_LANES, params);
  return found.map(({ sessionKey }) => sessionKey);
}

const EXPIRED = {
  name: "runner_expired_turns",
  text: `
SELECT tenant, session_key AS "sessionKey", turn_id AS "turnId" FROM turns
WHERE ${isQueued("turns")} AND steer IS NULL
  AND run_count = 0 AND expire_time < clock_timestamp()
LIMIT $1`,
};

/** Turns whose `max_wait` is over before they could start; what was handed to a turn that runs does not wait. */
export function expiredTurns(
  sql: Sql,
  limit: number,
): Promise<{ readonly tenant: string; readonly sessionKey: string; readonly turnId: string }[]> {
  return rows(sql, EXPIRED, [limit]);
}

const FORGET_EVENTS = {
  name: "runner_forget_events",
  text: `
DELETE FROM turn_events e USING (
  SELECT e.tenant, e.turn_id, e.first_seq FROM turn_events e
  LEFT JOIN turns t ON t.tenant = e.tenant AND t.turn_id = e.turn_id
  WHERE e.create_time < clock_timestamp() - $1 * interval '1 ms'
    AND (t.turn_id IS NULL OR t.end_time < clock_timestamp() - $1 * interval '1 ms')
  LIMIT $2
) old
WHERE e.tenant = old.tenant AND e.turn_id = old.turn_id AND e.first_seq = old.first_seq`,
};

/** Removes events of turns that ended long ago, or that are gone. Gives how many rows. */
export async function forgetEvents(sql: Sql, olderThanMs: number, limit: number): Promise<number> {
  return (await sql.query(FORGET_EVENTS, [olderThanMs, limit])).rowCount;
}

const FORGET_REQUESTS = {
  name: "runner_forget_requests",
  text: `
DELETE FROM idempotency i USING (
  SELECT i.tenant, i.principal, i.key FROM idempotency i
  LEFT JOIN turns t ON t.tenant = i.tenant AND t.turn_id = i.turn_id
  WHERE i.create_time < clock_timestamp() - $1 * interval '1 ms'
    AND (t.turn_id IS NULL OR t.end_time IS NOT NULL)
    AND NOT EXISTS (SELECT FROM turns h
      WHERE h.tenant = t.tenant AND h.turn_id = t.into_turn_id AND h.end_time IS NULL)
  LIMIT $2
) old
WHERE i.tenant = old.tenant AND i.principal = old.principal AND i.key = old.key`,
};

/**
 * Removes the memory of requests that were settled long ago: whoever joined another turn, which takes its place in
 * the lane, is with that one. That of a turn which was erased with its conversation is as old. Gives how many rows.
 */
export async function forgetRequests(
  sql: Sql,
  olderThanMs: number,
  limit: number,
): Promise<number> {
  return (await sql.query(FORGET_REQUESTS, [olderThanMs, limit])).rowCount;
}

const FORGET_EDGES = {
  name: "runner_forget_edges",
  text: `
DELETE FROM wait_edges e WHERE NOT EXISTS (
  SELECT FROM lanes l
  WHERE l.tenant = e.tenant AND l.session_key = e.from_key AND l.holder_run_id = e.run_id)`,
};

/** Removes wait edges of runs that hold their lane no more. */
export async function forgetEdges(sql: Sql): Promise<number> {
  return (await sql.query(FORGET_EDGES)).rowCount;
}
