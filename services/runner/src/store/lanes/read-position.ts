import { LIMITS } from "../../limits.ts";
import { laneOrder, type WaitingTurn } from "../../domain/lane-order.ts";
import { first, rows, type Sql } from "../sql.ts";
import { isWaiting } from "../state-in.ts";

/** Where a waiting turn stands. */
export interface Position {
  /** Turns before it, the one that runs included. */
  readonly position: number;
  readonly holderRunId: string | undefined;
  readonly heartbeatAgeMs: number | undefined;
  /** Since its acceptance. */
  readonly waitedMs: number;
}

type WaitingRow = WaitingTurn & { readonly waitedMs: number };

const READ_HOLDER = {
  name: "runner_read_holder",
  text: `
SELECT l.holder_run_id AS "holderRunId", l.persons_served AS "personsServed",
  extract(epoch FROM clock_timestamp() - a.renewed_at)::float8 * 1000 AS "ageMs"
FROM lanes l LEFT JOIN turns a ON a.tenant = l.tenant AND a.turn_id = l.active_turn_id
WHERE l.tenant = $1 AND l.session_key = $2`,
};

interface HolderRow {
  readonly holderRunId: string | null;
  readonly personsServed: number;
  readonly ageMs: number | null;
}

const READ_WAITING = {
  name: "runner_read_waiting",
  text: `
SELECT turn_id AS "turnId", front, turn_class = 1 AS "isPerson", lane_seq AS "laneSeq",
  extract(epoch FROM clock_timestamp() - accept_time)::float8 * 1000 AS "waitedMs"
FROM turns
WHERE tenant = $1 AND session_key = $2 AND ${isWaiting("turns")}
ORDER BY lane_seq LIMIT ${LIMITS.maxWaitingTurnsPerLane}`,
};

type Holder = Pick<Position, "holderRunId" | "heartbeatAgeMs">;

/** The waiting turns of a lane in the order in which they will be served, and who holds it. */
export async function readQueue(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<{ readonly order: WaitingRow[]; readonly holder: Holder }> {
  const [holder, waiting] = await Promise.all([
    first<HolderRow>(sql, READ_HOLDER, [tenant, sessionKey]),
    rows<WaitingRow>(sql, READ_WAITING, [tenant, sessionKey]),
  ]);
  const served = holder?.personsServed ?? 0;
  return {
    order: laneOrder(waiting, served, LIMITS.personTurnsPerSystemTurn),
    holder: {
      holderRunId: holder?.holderRunId ?? undefined,
      heartbeatAgeMs: holder?.ageMs == null ? undefined : Math.max(0, holder.ageMs),
    },
  };
}

/** Where each waiting turn of a lane stands. */
export async function readPositions(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<ReadonlyMap<string, Position>> {
  const { order, holder } = await readQueue(sql, tenant, sessionKey);
  const ahead = holder.holderRunId === undefined ? 0 : 1;
  return new Map(
    order.map(({ turnId, waitedMs }, before) => [
      turnId,
      { ...holder, waitedMs, position: before + ahead },
    ]),
  );
}

/** Undefined: the turn waits no more. */
export async function readPosition(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  turnId: string,
): Promise<Position | undefined> {
  return (await readPositions(sql, tenant, sessionKey)).get(turnId);
}
