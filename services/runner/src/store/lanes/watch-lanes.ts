import { rows, type Sql } from "../sql.ts";
import { isOpen, isWaiting } from "../state-in.ts";

/** A lane that has work, and what tells whether it has changed. */
export interface LaneMark {
  readonly tenant: string;
  readonly sessionKey: string;
  /** Differs once anything but the heartbeat has. */
  readonly version: string;
  /** Differs with each heartbeat. */
  readonly heartbeat: string;
}

/** A lane as it stands, with those who wait. */
export interface WatchedLane extends LaneMark {
  readonly depth: number;
  readonly activeTurnId: string | null;
  readonly holderRunId: string | null;
  readonly personsServed: number;
  readonly heartbeatAgeMs: number | null;
  readonly waiting: readonly WatchedTurn[];
}

export interface WatchedTurn {
  readonly turnId: string;
  readonly front: boolean;
  readonly turnClass: number;
  readonly laneSeq: bigint;
  readonly acceptTime: Date;
}

/**
 * Whoever accepts, claims, ends or moves a turn writes the lane's row, and so leaves there the id of his
 * transaction, also where one turn takes the place of another. What a crash of the database undid may have had the
 * same id; then these numbers tell, of which a run id comes once.
 */
const MARK = `concat_ws(' ', l.xmin, l.next_seq, l.depth, l.persons_served, l.holder_run_id) AS version,
  coalesce(a.renewed_at::text, '') AS heartbeat`;

const ACTIVE_TURN = "LEFT JOIN turns a ON a.tenant = l.tenant AND a.turn_id = l.active_turn_id";

type After = (tenant: string, key: string) => string;
const ofTenant: After = (tenant, key) => `t.tenant = ${tenant} AND t.session_key > ${key}`;
const ofAll: After = (tenant, key) =>
  `(t.tenant, t.session_key) > (${tenant}, ${key}) AND t.session_key IS NOT NULL`;

/** From key to key in the index of open turns: nothing is kept for it, and a long lane costs as one turn. */
const busyLanes = (name: string, after: After) => ({
  name,
  text: `
WITH RECURSIVE busy AS (
  (SELECT t.tenant, t.session_key, 1 AS place FROM turns t
   WHERE ${after("$1::text", "$2::text")} AND ${isOpen("t")}
   ORDER BY t.tenant, t.session_key LIMIT 1)
  UNION ALL
  SELECT n.tenant, n.session_key, b.place + 1 FROM busy b CROSS JOIN LATERAL (
    SELECT t.tenant, t.session_key FROM turns t
    WHERE ${after("b.tenant", "b.session_key")} AND ${isOpen("t")}
    ORDER BY t.tenant, t.session_key LIMIT 1
  ) n WHERE b.place < $3
)
SELECT l.tenant, l.session_key AS "sessionKey", ${MARK}
FROM busy JOIN lanes l USING (tenant, session_key) ${ACTIVE_TURN}
ORDER BY l.tenant, l.session_key`,
});

const OF_TENANT = busyLanes("runner_busy_lanes", ofTenant);
const OF_ALL = busyLanes("runner_busy_lanes_of_all", ofAll);

/** Lanes that have work, of one tenant or of all, in the order of tenant and key, after a place. */
export function readMarks(
  sql: Sql,
  tenant: string | undefined,
  after: Pick<LaneMark, "tenant" | "sessionKey">,
  limit: number,
): Promise<LaneMark[]> {
  if (tenant === undefined) return rows(sql, OF_ALL, [after.tenant, after.sessionKey, limit]);
  return rows(sql, OF_TENANT, [tenant, after.sessionKey, limit]);
}

const TURN = `json_build_object('turnId', t.turn_id, 'front', t.front, 'turnClass', t.turn_class,
    'laneSeq', t.lane_seq::text, 'acceptTime', t.accept_time)`;
const WAITS = `t.tenant = l.tenant AND t.session_key = l.session_key AND ${isWaiting("t")}`;

/** Lane and queue in one statement, so that they fit. Of each class as many as are shown of both. */
const READ_WATCHED = {
  name: "runner_read_watched",
  text: `
SELECT l.tenant, l.session_key AS "sessionKey", ${MARK}, l.depth,
  l.active_turn_id AS "activeTurnId", l.holder_run_id AS "holderRunId",
  l.persons_served AS "personsServed",
  extract(epoch FROM clock_timestamp() - a.renewed_at)::float8 * 1000 AS "heartbeatAgeMs",
  ARRAY(
    (SELECT ${TURN} FROM turns t WHERE ${WAITS} AND (t.front OR t.turn_class = 1)
     ORDER BY t.front DESC, t.lane_seq LIMIT $3)
    UNION ALL
    (SELECT ${TURN} FROM turns t WHERE ${WAITS} AND NOT t.front AND t.turn_class <> 1
     ORDER BY t.lane_seq LIMIT $3)
  )::json[] AS waiting
FROM unnest($1::text[], $2::text[]) AS w (tenant, session_key)
JOIN lanes l USING (tenant, session_key) ${ACTIVE_TURN}`,
};

/** These lanes with the turns that wait in them, up to `turns` of each class. */
export async function readWatched(
  sql: Sql,
  lanes: readonly Pick<LaneMark, "tenant" | "sessionKey">[],
  turns: number,
): Promise<WatchedLane[]> {
  const params = [lanes.map(({ tenant }) => tenant), lanes.map(({ sessionKey }) => sessionKey)];
  const found = await rows<Raw>(sql, READ_WATCHED, [...params, turns]);
  return found.map((lane) => ({ ...lane, waiting: lane.waiting.map(turnOf) }));
}

type RawTurn = Omit<WatchedTurn, "laneSeq" | "acceptTime"> & {
  readonly laneSeq: string;
  readonly acceptTime: string;
};
type Raw = Omit<WatchedLane, "waiting"> & { readonly waiting: readonly RawTurn[] };

function turnOf({ laneSeq, acceptTime, ...rest }: RawTurn): WatchedTurn {
  return { ...rest, laneSeq: BigInt(laneSeq), acceptTime: new Date(acceptTime) };
}
