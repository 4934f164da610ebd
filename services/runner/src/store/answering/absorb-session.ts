import { first, rows, type RunnerDatabase, type Sql } from "../sql.ts";

/** A session that was merged into another, by ids of sessions that are both known here. */
export interface Absorption {
  readonly tenant: string;
  readonly sessionId: string;
  readonly intoSessionId: string;
}

/** What was appended. */
export interface Appended {
  readonly count: number;
  /** A turn of the merged key has not ended here: it may still add messages. */
  readonly isOpen: boolean;
}

/** A session and those that it was compacted from, oldest first: all of them are its conversation. */
const READ_CONVERSATION = {
  name: "runner_read_absorbed_conversation",
  text: `
WITH RECURSIVE part AS (
  SELECT session_id, parent_session_id, compacted_by_run_id, 1 AS depth FROM sessions
  WHERE tenant = $1 AND session_id = $2
  UNION ALL
  SELECT s.session_id, s.parent_session_id, s.compacted_by_run_id, part.depth + 1
  FROM part JOIN sessions s ON s.tenant = $1 AND s.session_id = part.parent_session_id
  WHERE part.compacted_by_run_id IS NOT NULL AND part.depth < $3
)
SELECT session_id AS "sessionId" FROM part ORDER BY depth DESC`,
};

/** In one order, the one in which turns that end lock them. */
const LOCK = {
  name: "runner_lock_absorbed",
  text: `
SELECT session_id FROM sessions WHERE tenant = $1 AND session_id = ANY ($2::text[])
ORDER BY tenant, session_id FOR UPDATE`,
};

/** Whether a turn is open is read with the messages: one that has ended has added all of its own. */
const APPEND = {
  name: "runner_append_absorbed",
  text: `
WITH part AS (
  SELECT s.session_id, s.session_key, s.absorbed_seq, p.place
  FROM unnest($3::text[]) WITH ORDINALITY AS p (session_id, place)
  JOIN sessions s ON s.tenant = $1 AND s.session_id = p.session_id
), fresh AS MATERIALIZED (
  SELECT m.*, row_number() OVER (ORDER BY part.place, m.seq) AS nth
  FROM part JOIN messages m
    ON m.tenant = $1 AND m.session_id = part.session_id AND m.seq > part.absorbed_seq
), grown AS (
  UPDATE sessions SET message_count = message_count + (SELECT count(*) FROM fresh)
  WHERE tenant = $1 AND session_id = $2 AND EXISTS (SELECT FROM fresh)
  RETURNING message_count - (SELECT count(*) FROM fresh) AS through
), marked AS (
  UPDATE sessions s SET absorbed_seq = f.through
  FROM (SELECT session_id, max(seq) AS through FROM fresh GROUP BY session_id) f
  WHERE s.tenant = $1 AND s.session_id = f.session_id AND EXISTS (SELECT FROM grown)
), told AS (
  INSERT INTO messages (tenant, session_id, seq, turn_id, role, principal, body, create_time)
  SELECT $1, $2, grown.through + fresh.nth, fresh.turn_id, fresh.role, fresh.principal, fresh.body,
    fresh.create_time
  FROM fresh, grown
)
SELECT (SELECT count(*) FROM fresh)::int AS count, EXISTS (
  SELECT FROM lanes l JOIN part ON l.session_key = part.session_key
  WHERE l.tenant = $1 AND l.active_turn_id IS NOT NULL) AS "isOpen"`,
};

/**
 * Appends what was said in a merged session, and is not there yet, to the transcript of the one that has absorbed it,
 * in the order in which it was said. The same again appends only what has come since.
 */
export function absorbSession(
  db: RunnerDatabase,
  { tenant, sessionId, intoSessionId }: Absorption,
  maxDepth: number,
): Promise<Appended> {
  return db.transaction(async (sql: Sql) => {
    const asked = [tenant, sessionId, maxDepth];
    const parts = await rows<{ readonly sessionId: string }>(sql, READ_CONVERSATION, asked);
    const ids = parts.map((part) => part.sessionId);
    // In a statement of its own: the next one sees what it waited for.
    await sql.query(LOCK, [tenant, [...ids, intoSessionId]]);
    const appended = await first<Appended>(sql, APPEND, [tenant, intoSessionId, ids]);
    if (appended === undefined) throw new Error("the statement gives one row");
    return appended;
  });
}
