import { LIMITS } from "../../limits.ts";
import { originOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";
import { isWaiting, stateIn } from "../state-in.ts";

/** Two reads of few rows: the turn that runs by its id, those that wait by the index of a lane's open turns. */
const AHEAD = {
  name: "runner_groups_ahead",
  text: `
(SELECT origin FROM turns
  WHERE tenant = $1 AND turn_id = $3 AND ${stateIn("state", "QUEUED", "ACTIVE")} AND stop IS NULL)
UNION ALL
(SELECT origin FROM turns
  WHERE tenant = $1 AND session_key = $2 AND ${isWaiting("turns")} AND stop IS NULL
  ORDER BY lane_seq DESC LIMIT $4)`,
};

/** A lane that is locked, and what runs there. */
export interface LaneAhead {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly activeTurnId: string | undefined;
}

/** The groups of what runs in a lane and of what waits there last, as far as nobody has asked it to end. */
export async function groupsAhead(
  sql: Sql,
  { tenant, sessionKey, activeTurnId }: LaneAhead,
): Promise<ReadonlySet<string>> {
  const values = [tenant, sessionKey, activeTurnId ?? null, LIMITS.steersPerTurn];
  const ahead = await rows<{ readonly origin: Buffer }>(sql, AHEAD, values);
  return new Set(ahead.map(({ origin }) => originOf(origin).groupId));
}
