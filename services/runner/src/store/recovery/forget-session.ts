import { ofSession, type PagedSession } from "./past-sessions.ts";
import { forgettingTurns } from "./past-turns.ts";
import { first, type Sql } from "../sql.ts";

const FORGET_MESSAGES = {
  name: "runner_forget_messages",
  text: `
DELETE FROM messages WHERE tenant = $1 AND session_id = $2 AND seq IN (
  SELECT seq FROM messages WHERE tenant = $1 AND session_id = $2
  ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED)`,
};

/** Removes so many messages of a session. Gives how many they were. */
export async function forgetMessages(
  sql: Sql,
  { tenant, sessionId }: PagedSession,
  limit: number,
): Promise<number> {
  return (await sql.query(FORGET_MESSAGES, [tenant, sessionId, limit])).rowCount;
}

const FORGET_TURNS = {
  name: "runner_forget_turns_of_session",
  text: forgettingTurns(
    `turns t, (SELECT $1::text AS tenant, $2::text AS session_id, $3::text AS session_key,
      $4::bigint AS generation) p WHERE ${ofSession("p")}`,
    "$5",
    "$6",
  ),
};

/**
 * Removes so many turns of a session with their runs. One whose agent remembers something of it stays: the
 * memory counts by it. Gives how many they were.
 */
export async function forgetTurns(
  sql: Sql,
  { tenant, sessionId, sessionKey, generation }: PagedSession,
  limit: number,
  keepMs: number,
): Promise<number> {
  const params = [tenant, sessionId, sessionKey, generation, keepMs, limit];
  return (await first<{ readonly count: number }>(sql, FORGET_TURNS, params))?.count ?? 0;
}

const FORGET_SESSION = {
  name: "runner_forget_session",
  text: `
WITH gone AS (
  DELETE FROM sessions s WHERE tenant = $1 AND session_id = $2
    AND NOT EXISTS (SELECT FROM messages m WHERE m.tenant = $1 AND m.session_id = $2)
  RETURNING tenant, session_key, generation
)
DELETE FROM summaries m USING gone WHERE m.tenant = gone.tenant
  AND m.session_key = gone.session_key AND m.generation = gone.generation`,
};

/** Removes the session itself, which tells until then that something of it may be left. */
export async function forgetSession(sql: Sql, { tenant, sessionId }: PagedSession): Promise<void> {
  await sql.query(FORGET_SESSION, [tenant, sessionId]);
}
