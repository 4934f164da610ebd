import { originOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";

/** A turn that another one sent into a session of the namespace that is minted for tasks. */
export interface SentTask {
  readonly turnId: string;
  readonly sessionKey: string;
  /** By which tool. */
  readonly source: string;
}

const TASKS = {
  name: "runner_tasks_of_turns",
  text: `
SELECT k.turn_id AS "turnId", k.session_key AS "sessionKey", k.origin FROM turns k
WHERE k.tenant = $1 AND k.parent_turn_id = ANY ($2::uuid[]) AND k.turn_id > $3
  AND split_part(k.session_key, ':', 3) = 'subagent'
ORDER BY k.turn_id LIMIT $4`,
};

/** What these turns sent there, after a turn, in the order of their ids. */
export async function tasksOfTurns(
  sql: Sql,
  tenant: string,
  turnIds: readonly string[],
  after: string,
  limit: number,
): Promise<SentTask[]> {
  type Row = Omit<SentTask, "source"> & { readonly origin: Buffer };
  const found = await rows<Row>(sql, TASKS, [tenant, turnIds, after, limit]);
  return found.map(({ origin, ...sent }) => ({ ...sent, source: originOf(origin).source }));
}
