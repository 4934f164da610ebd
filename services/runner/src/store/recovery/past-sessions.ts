import { isInUse } from "./past-turns.ts";
import { rows, type Sql } from "../sql.ts";

/** A session as it stands in its table's order. */
export interface SessionPlace {
  readonly tenant: string;
  readonly sessionId: string;
}

/** A session of a page, and whether its conversation may go. */
export interface PagedSession extends SessionPlace {
  readonly sessionKey: string;
  readonly generation: bigint;
  readonly mayGo: boolean;
}

/** Another session has stood under the key since before the retention. */
const isSuperseded = (s: string): string => `EXISTS (
  SELECT FROM sessions l WHERE l.tenant = ${s}.tenant AND l.session_key = ${s}.session_key
    AND l.generation > ${s}.generation AND l.seen_time < clock_timestamp() - $4 * interval '1 ms')`;

/** A key that was minted for one task, which nobody comes back to. */
const isSubagent = "split_part(p.session_key, ':', 3) = 'subagent'";

/** By whom it was run, or where it was to run. */
const GENERATION_OF_TURN = "coalesce(t.generation, t.admitted_generation)";

/**
 * Turns of the session `p`: those of its generation, and of earlier ones that had no session here, since
 * nothing was said in them.
 */
export const ofSession = (p: string): string => `t.tenant = ${p}.tenant
  AND t.session_key = ${p}.session_key AND ${GENERATION_OF_TURN} <= ${p}.generation
  AND NOT EXISTS (SELECT FROM sessions k WHERE k.tenant = ${p}.tenant AND k.session_key = ${p}.session_key
    AND k.generation = ${GENERATION_OF_TURN} AND k.session_id <> ${p}.session_id)`;

/** Its generation begins with a summary, past which nobody reads but for what the summary left out. */
const HAS_SUMMARY = `EXISTS (SELECT FROM summaries m WHERE m.tenant = c.tenant
  AND m.session_key = c.session_key AND m.generation = c.generation AND m.run_id = c.compacted_by_run_id)`;

/** Sessions whose history reaches into the session `p`, as answering/history.ts reads it. */
const READERS = `
  WITH RECURSIVE reader AS (
    SELECT c.tenant, c.session_id, c.session_key, c.generation FROM sessions c
    WHERE c.tenant = p.tenant AND c.parent_session_id = p.session_id AND c.parent_session_id <> ''
    UNION
    SELECT c.tenant, c.session_id, c.session_key, c.generation
    FROM reader r JOIN sessions c ON c.tenant = r.tenant AND c.parent_session_id = r.session_id
      AND c.parent_session_id <> '' AND NOT ${HAS_SUMMARY}
  )
  SELECT FROM reader r WHERE NOT ${isSuperseded("r")}`;

/**
 * A page of sessions in the order of their table. A conversation may go once it was rotated away, or its
 * subagent's task has ended, for as long as the retention, and no session that stands reads its history, no
 * turn of it is needed, and no reply of it waits.
 */
const PAGE = {
  name: "runner_past_sessions",
  text: `
WITH page AS MATERIALIZED (
  SELECT tenant, session_id, session_key, generation FROM sessions
  WHERE (tenant, session_id) > ($1, $2) ORDER BY tenant, session_id LIMIT $3
), over AS MATERIALIZED (
  SELECT p.* FROM page p
  WHERE (${isSuperseded("p")} OR ${isSubagent}) AND NOT EXISTS (${READERS})
), past AS (
  SELECT p.* FROM over p
  WHERE NOT EXISTS (SELECT FROM turns t WHERE ${ofSession("p")} AND ${isInUse("$4")})
    AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant = p.tenant AND o.session_key = p.session_key
      AND o.session_id = p.session_id)
)
SELECT tenant, session_id AS "sessionId", page.session_key AS "sessionKey", page.generation,
  past.session_key IS NOT NULL AS "mayGo"
FROM page LEFT JOIN past USING (tenant, session_id)
ORDER BY tenant, session_id`,
};

/** The sessions that follow a place in the table, and which of them were over for so many ms. */
export function pastSessions(
  sql: Sql,
  after: SessionPlace,
  limit: number,
  keepMs: number,
): Promise<PagedSession[]> {
  return rows(sql, PAGE, [after.tenant, after.sessionId, limit, keepMs]);
}
