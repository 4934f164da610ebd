import { LIMITS } from "../../limits.ts";
import { openTurns } from "../lanes/open-turns.ts";
import type { Sql } from "../sql.ts";

/** A lane that is locked, and what runs there. */
export interface LaneAhead {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly activeTurnId: string | undefined;
}

/** The groups of what runs in a lane and of what waits there last, as far as nobody has asked it to end. */
export async function groupsAhead(sql: Sql, lane: LaneAhead): Promise<ReadonlySet<string>> {
  const open = (await openTurns(sql, lane)).filter(({ isToEnd }) => !isToEnd);
  const runs = open.filter(({ turnId }) => turnId === lane.activeTurnId);
  const wait = open.filter(({ isWaiting }) => isWaiting).slice(-LIMITS.steersPerTurn);
  return new Set([...runs, ...wait].map(({ groupId }) => groupId));
}
