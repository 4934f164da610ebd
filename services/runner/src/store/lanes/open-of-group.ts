import type { Sql } from "../sql.ts";
import { openTurns } from "./open-turns.ts";

/** A turn, and what it came as a part of. */
export interface OfGroup {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly principal: string;
  readonly turnId: string;
  /** Not empty. */
  readonly groupId: string;
}

/** The other turns of its group that wait, or that a turn has taken in; the last first. */
export async function openOfGroup(sql: Sql, of: OfGroup): Promise<string[]> {
  return (await openTurns(sql, of))
    .filter(({ isQueued, groupId }) => isQueued && groupId === of.groupId)
    .filter(({ turnId, principal }) => turnId !== of.turnId && principal === of.principal)
    .map(({ turnId }) => turnId)
    .toReversed();
}
