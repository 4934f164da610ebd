import { originOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";
import { isOpen, isQueued, isWaiting } from "../state-in.ts";

const OPEN_TURNS = {
  name: "runner_open_turns",
  text: `
SELECT turn_id AS "turnId", origin, principal, front, ${isQueued("turns")} AS "isQueued",
  ${isWaiting("turns")} AS "isWaiting", stop IS NOT NULL AS "isToEnd"
FROM turns WHERE tenant = $1 AND session_key = $2 AND ${isOpen("turns")}
ORDER BY lane_seq`,
};

/** A turn of a lane that has not ended, and what it came as a part of. */
export interface OpenTurn {
  readonly turnId: string;
  readonly principal: string;
  /** Empty: it came alone. */
  readonly groupId: string;
  readonly front: boolean;
  /** Waits, claimed or not, or was handed to a turn that runs. */
  readonly isQueued: boolean;
  /** Waits, and nobody holds it. */
  readonly isWaiting: boolean;
  /** Somebody has asked it to. */
  readonly isToEnd: boolean;
}

/** In the order of their acceptance. */
export async function openTurns(
  sql: Sql,
  { tenant, sessionKey }: { readonly tenant: string; readonly sessionKey: string },
): Promise<OpenTurn[]> {
  type Row = Omit<OpenTurn, "groupId"> & { readonly origin: Buffer };
  const found = await rows<Row>(sql, OPEN_TURNS, [tenant, sessionKey]);
  return found.map(({ origin, ...turn }) => ({ ...turn, groupId: originOf(origin).groupId }));
}
