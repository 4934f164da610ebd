import { first, type RunnerDatabase, type Sql } from "../sql.ts";

/** A run of one lane waits for a turn of another. */
export interface WaitEdge {
  readonly tenant: string;
  readonly runId: string;
  readonly turnId: string;
  readonly fromKey: string;
  readonly toKey: string;
}

const ADD_EDGE = {
  name: "runner_add_wait_edge",
  text: `
INSERT INTO wait_edges (tenant, run_id, turn_id, from_key, to_key, create_time)
VALUES ($1, $2, $3, $4, $5, clock_timestamp())
ON CONFLICT (tenant, run_id) DO UPDATE SET to_key = excluded.to_key, turn_id = excluded.turn_id`,
};

/** An edge counts while its run holds the lane that it waits from. */
const SEES_CYCLE = {
  name: "runner_sees_wait_cycle",
  text: `
WITH RECURSIVE reached AS (
  SELECT $3::text AS session_key
  UNION
  SELECT e.to_key FROM reached r
  JOIN wait_edges e ON e.tenant = $1 AND e.from_key = r.session_key
  JOIN lanes l ON l.tenant = $1 AND l.session_key = e.from_key AND l.holder_run_id = e.run_id
)
SELECT EXISTS (SELECT FROM reached WHERE session_key = $2) AS "isCycle"`,
};

const REMOVE_EDGE = {
  name: "runner_remove_wait_edge",
  text: "DELETE FROM wait_edges WHERE tenant = $1 AND run_id = $2",
};

/**
 * Commits the edge, then looks: of two that close a cycle from both sides at least one sees it. True:
 * the wait would close a cycle of lanes, and the edge is gone again.
 */
export async function wouldDeadlock(db: RunnerDatabase, edge: WaitEdge): Promise<boolean> {
  const { tenant, runId, turnId, fromKey, toKey } = edge;
  await db.query(ADD_EDGE, [tenant, runId, turnId, fromKey, toKey]);
  const seen = await first<{ isCycle: boolean }>(db, SEES_CYCLE, [tenant, fromKey, toKey]);
  if (seen?.isCycle !== true) return false;
  await removeEdge(db, tenant, runId);
  return true;
}

const READ_EDGE = {
  name: "runner_read_wait_edge",
  text: `SELECT to_key AS "toKey" FROM wait_edges WHERE tenant = $1 AND run_id = $2`,
};

/**
 * Whether a wait that closed no cycle when it began closes one by now: a merge has led it to another
 * lane. Gives that lane's key.
 */
export async function movedIntoCycle(
  sql: Sql,
  { tenant, runId, fromKey, toKey }: WaitEdge,
): Promise<string | undefined> {
  const edge = await first<{ toKey: string }>(sql, READ_EDGE, [tenant, runId]);
  if (edge === undefined || edge.toKey === toKey) return undefined;
  const seen = await first<{ isCycle: boolean }>(sql, SEES_CYCLE, [tenant, fromKey, edge.toKey]);
  return seen?.isCycle === true ? edge.toKey : undefined;
}

/** The run waits no more. */
export async function removeEdge(sql: Sql, tenant: string, runId: string): Promise<void> {
  await sql.query(REMOVE_EDGE, [tenant, runId]);
}
