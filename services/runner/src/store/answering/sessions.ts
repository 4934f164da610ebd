import { first, type Sql } from "../sql.ts";

/** A session as the runner has seen it. */
export interface SeenSession {
  readonly sessionId: string;
  readonly sessionKey: string;
  readonly generation: bigint;
  /** Empty: none. */
  readonly parentSessionId: string;
  /** Empty: all of the parent. */
  readonly parentThroughTurnId: string;
  /** The run that made the session by compaction; undefined: it came otherwise. */
  readonly compactedByRunId: string | undefined;
}

const READ_SESSION = {
  name: "runner_read_session",
  text: `
SELECT session_id AS "sessionId", session_key AS "sessionKey", generation,
  parent_session_id AS "parentSessionId", parent_through_turn_id AS "parentThroughTurnId",
  compacted_by_run_id AS "compactedByRunId"
FROM sessions WHERE tenant = $1 AND session_id = $2`,
};

export async function readSession(
  sql: Sql,
  tenant: string,
  sessionId: string,
): Promise<SeenSession | undefined> {
  type Raw = Omit<SeenSession, "compactedByRunId"> & { readonly compactedByRunId: string | null };
  const row = await first<Raw>(sql, READ_SESSION, [tenant, sessionId]);
  return row && { ...row, compactedByRunId: row.compactedByRunId ?? undefined };
}

const SEE_SESSION = {
  name: "runner_see_session",
  text: `
INSERT INTO sessions
  (tenant, session_id, session_key, generation, parent_session_id, parent_through_turn_id,
   compacted_by_run_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, session_id) DO NOTHING`,
};

/** Remembers a session; who is known already stays: a session's parent never changes. */
export async function seeSession(sql: Sql, tenant: string, session: SeenSession): Promise<void> {
  await sql.query(SEE_SESSION, [
    tenant,
    session.sessionId,
    session.sessionKey,
    session.generation,
    session.parentSessionId,
    session.parentThroughTurnId,
    session.compactedByRunId ?? null,
  ]);
}
