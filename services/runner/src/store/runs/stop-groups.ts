import { originOf } from "../codec.ts";
import type { LaneAhead } from "../admission/groups-ahead.ts";
import { rows, type Sql } from "../sql.ts";
import { isOpen, isQueued } from "../state-in.ts";
import { type Stop, STOP_CODES } from "../turn-row.ts";

const OPEN = {
  name: "runner_open_origins",
  text: `
SELECT turn_id AS "turnId", origin, front OR turn_id = $3 AS leads FROM turns
WHERE tenant = $1 AND session_key = $2 AND ${isOpen("turns")}`,
};

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
  type Row = { readonly turnId: string; readonly origin: Buffer; readonly leads: boolean };
  const open = await rows<Row>(sql, OPEN, [tenant, sessionKey, activeTurnId ?? null]);
  const turns = open.map((row) => ({ ...row, groupId: originOf(row.origin).groupId }));
  const groups = new Set(turns.filter(({ leads }) => leads).map(({ groupId }) => groupId));
  const followers = turns.filter(
    ({ leads, groupId }) => !leads && groupId !== "" && groups.has(groupId),
  );
  if (followers.length === 0) return;
  const ids = followers.map(({ turnId }) => turnId);
  await sql.query(STOP_FOLLOWERS, [tenant, ids, STOP_CODES[stop], note]);
}
