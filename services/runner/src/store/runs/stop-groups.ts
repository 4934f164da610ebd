import type { LaneAhead } from "../admission/groups-ahead.ts";
import { openTurns } from "../lanes/open-turns.ts";
import type { Sql } from "../sql.ts";
import { isQueued } from "../state-in.ts";
import { type Stop, STOP_CODES } from "../turn-row.ts";

/** In front they keep their order: before what stops them, each begins, ends at once and leaves its input. */
const STOP_FOLLOWERS = {
  name: "runner_stop_followers",
  text: `
UPDATE turns SET front = true, stop = $3, stop_note = $4
WHERE tenant = $1 AND turn_id = ANY ($2::uuid[]) AND ${isQueued("turns")} AND run_id IS NULL AND stop IS NULL`,
};

/**
 * Who interrupts a turn of a group, one that runs or one that waits in front, interrupts the rest of the group
 * too, whether it was taken in or waits: answered later it would be half of what was said. Under the lane's lock.
 */
export async function stopGroups(
  sql: Sql,
  { tenant, sessionKey, activeTurnId }: LaneAhead,
  stop: Stop,
  note: string,
): Promise<void> {
  const open = await openTurns(sql, { tenant, sessionKey });
  const turns = open.map((turn) => ({
    ...turn,
    leads: turn.front || turn.turnId === activeTurnId,
  }));
  const groups = new Set(turns.filter(({ leads }) => leads).map(({ groupId }) => groupId));
  const followers = turns.filter(
    ({ leads, groupId }) => !leads && groupId !== "" && groups.has(groupId),
  );
  if (followers.length === 0) return;
  const ids = followers.map(({ turnId }) => turnId);
  await sql.query(STOP_FOLLOWERS, [tenant, ids, STOP_CODES[stop], note]);
}
