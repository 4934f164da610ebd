import type { Sql } from "../sql.ts";
import { type ErasedPlace, HAS_OPEN_TURN, placeParams } from "./erased-key.ts";

const SESSIONS = "s.tenant = $1 AND s.session_key = $2 AND s.generation <= $3";

const MESSAGES = {
  name: "runner_erase_messages",
  text: `
DELETE FROM messages WHERE (tenant, session_id, seq) IN (
  SELECT m.tenant, m.session_id, m.seq FROM sessions s
  JOIN messages m ON m.tenant = s.tenant AND m.session_id = s.session_id
  WHERE ${SESSIONS} LIMIT $4 FOR UPDATE OF m SKIP LOCKED)`,
};

/** Removes so many messages of the key's sessions. Gives how many. */
export async function eraseMessages(sql: Sql, place: ErasedPlace, limit: number): Promise<number> {
  return (await sql.query(MESSAGES, [...placeParams(place), limit])).rowCount;
}

/**
 * A summary stands under the generation that its run was about to make. The one behind what is erased was made by
 * the erasure itself, so none counts there.
 */
const SUMMARIES = {
  name: "runner_erase_summaries",
  text: `
DELETE FROM summaries WHERE (tenant, session_key, generation, run_id) IN (
  SELECT tenant, session_key, generation, run_id FROM summaries
  WHERE tenant = $1 AND session_key = $2 AND generation <= $3 + 1 LIMIT $4 FOR UPDATE SKIP LOCKED)`,
};

/** The same for what stood in place of older history. */
export async function eraseSummaries(sql: Sql, place: ErasedPlace, limit: number): Promise<number> {
  return (await sql.query(SUMMARIES, [...placeParams(place), limit])).rowCount;
}

/** A turn that has not ended may still say something in its session. */
const EMPTY_SESSIONS = {
  name: "runner_erase_sessions",
  text: `
DELETE FROM sessions WHERE (tenant, session_id) IN (
  SELECT s.tenant, s.session_id FROM sessions s
  WHERE ${SESSIONS} AND NOT ${HAS_OPEN_TURN}
    AND NOT EXISTS (SELECT FROM messages m WHERE m.tenant = s.tenant AND m.session_id = s.session_id)
  LIMIT $4 FOR UPDATE OF s SKIP LOCKED)`,
};

/** And for sessions of which nothing is left, and in which nothing can be said any more. */
export async function eraseSessions(sql: Sql, place: ErasedPlace, limit: number): Promise<number> {
  return (await sql.query(EMPTY_SESSIONS, [...placeParams(place), limit])).rowCount;
}
