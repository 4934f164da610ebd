import { first, rows, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

/** What an agent is to remember. */
export interface NewMemory {
  readonly tenant: string;
  readonly turnId: string;
  readonly runId: string;
  readonly step: number;
  readonly agentId: string;
  readonly sessionKey: string;
  readonly text: string;
  readonly isPinned: boolean;
}

/** Its turn runs yet, or has ended and was not rolled back. */
const MAY_STAND = `EXISTS (SELECT FROM turns t
  WHERE t.tenant = m.tenant AND t.turn_id = m.turn_id AND (t.end_time IS NULL OR t.is_told))`;

/** Up to the bound, of all but the row itself: what is written again is none more. */
const countOthers = (which: string): string => `
  SELECT count(*) FROM (SELECT FROM memories m
    WHERE m.tenant = $1 AND m.agent_id = $5 AND (m.turn_id, m.step) <> ($2, $4) ${which} LIMIT $9) m`;

/**
 * Part of the turn's commit: the row counts once the turn's end is committed. Under the turn's row, so that
 * a run that was taken over waits for its successor, and then writes nothing. What was rolled back is left
 * out only where there are as many as may be: to count 10,000 with their turns takes some 15 ms, without 2.
 */
const SAVE = {
  name: "runner_save_memory",
  text: `
WITH held AS (
  SELECT tenant FROM turns
  WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}
  FOR SHARE
), room AS (
  SELECT (${countOthers("")}) < $9 OR (${countOthers(`AND ${MAY_STAND}`)}) < $9 AS is_left
)
INSERT INTO memories AS m (tenant, agent_id, turn_id, step, session_key, body, is_pinned, create_time)
SELECT $1, $5, $2, $4, $6, $7, $8, clock_timestamp() FROM held, room WHERE room.is_left
ON CONFLICT (tenant, turn_id, step) DO UPDATE SET body = excluded.body, is_pinned = excluded.is_pinned
RETURNING step`,
};

/** False: the agent has as many as it may, or the run holds its turn no more. */
export async function saveMemory(
  sql: Sql,
  memory: NewMemory,
  maxPerAgent: number,
): Promise<boolean> {
  const row = await first(sql, SAVE, [
    memory.tenant,
    memory.turnId,
    memory.runId,
    memory.step,
    memory.agentId,
    memory.sessionKey,
    memory.text,
    memory.isPinned,
    maxPerAgent,
  ]);
  return row !== undefined;
}

/** Whose memories: of one agent, as a turn sees them, with what it wrote itself. */
export interface MemoryScope {
  readonly tenant: string;
  readonly agentId: string;
  readonly turnId: string;
}

/** Ended by its own run, and not rolled back. */
const STANDS = "t.end_time IS NOT NULL AND t.is_told";

const COUNTS = `(m.turn_id = $3 OR EXISTS (
    SELECT FROM turns t WHERE t.tenant = m.tenant AND t.turn_id = m.turn_id AND ${STANDS}))`;

const SEARCH = {
  name: "runner_search_memories",
  text: `
SELECT m.body AS text, m.session_key AS "sessionKey", m.create_time AS "createTime",
  ts_rank_cd(m.words, asked.words)::float8 AS rank
FROM memories m, (SELECT websearch_to_tsquery('simple', $4) AS words) asked
WHERE m.tenant = $1 AND m.agent_id = $2 AND m.words @@ asked.words AND ${COUNTS}
ORDER BY rank DESC, m.create_time DESC LIMIT $5`,
};

/** A memory that was found. */
export interface FoundMemory {
  readonly text: string;
  readonly sessionKey: string;
  readonly createTime: Date;
  readonly rank: number;
}

/** By full text, the best first; words are joined by and, "or" and quotes work as in web searches. */
export function searchMemories(
  sql: Sql,
  { tenant, agentId, turnId }: MemoryScope,
  query: string,
  limit: number,
): Promise<FoundMemory[]> {
  return rows(sql, SEARCH, [tenant, agentId, turnId, query, limit]);
}

const READ_PINNED = {
  name: "runner_read_pinned_memories",
  text: `
SELECT m.body AS text FROM memories m JOIN turns t ON t.tenant = m.tenant AND t.turn_id = m.turn_id
WHERE m.tenant = $1 AND m.agent_id = $2 AND m.is_pinned AND ${STANDS}
ORDER BY m.create_time DESC LIMIT $3`,
};

/** What stands in each of the agent's contexts, oldest first. */
export async function readPinned(
  sql: Sql,
  tenant: string,
  agentId: string,
  limit: number,
): Promise<string[]> {
  const found = await rows<{ text: string }>(sql, READ_PINNED, [tenant, agentId, limit]);
  return found.map(({ text }) => text).toReversed();
}
