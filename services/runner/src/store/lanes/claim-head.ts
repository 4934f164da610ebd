import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { LIMITS } from "../../limits.ts";
import { lockLane } from "./lane-row.ts";
import { first, type RunnerDatabase } from "../sql.ts";
import { isWaiting, stateIn } from "../state-in.ts";
import { type LaneTurn, laneTurnOf, TURN_COLUMNS, type TurnRow } from "../turn-row.ts";

const WAITING = `t.tenant = $1 AND t.session_key = $2 AND ${isWaiting("t")}`;

/**
 * The order is that of `laneOrder`, and a test holds the two equal. Each of the three that may be next
 * is the first of an index, however many wait. A statement of its own after the lane's lock: in the
 * locking statement it would see the queue as it was before the wait.
 */
const CLAIM_HEAD = {
  name: "runner_claim_head",
  text: `
WITH due AS (
  SELECT persons_served < ${LIMITS.personTurnsPerSystemTurn} AS person FROM lanes
  WHERE tenant = $1 AND session_key = $2
), candidate AS (
  (SELECT t.turn_id, 1 AS rank FROM turns t
    WHERE ${WAITING} AND t.front ORDER BY t.lane_seq LIMIT 1)
  UNION ALL
  (SELECT t.turn_id, CASE WHEN due.person THEN 2 ELSE 3 END FROM turns t, due
    WHERE ${WAITING} AND NOT t.front AND t.turn_class = ${TurnClass.PERSON} ORDER BY t.lane_seq LIMIT 1)
  UNION ALL
  (SELECT t.turn_id, CASE WHEN due.person THEN 3 ELSE 2 END FROM turns t, due
    WHERE ${WAITING} AND NOT t.front AND t.turn_class <> ${TurnClass.PERSON} ORDER BY t.lane_seq LIMIT 1)
), head AS (
  SELECT turn_id FROM candidate ORDER BY rank LIMIT 1
), turn AS (
  UPDATE turns t SET run_id = $3, replica = $4, renewed_at = clock_timestamp()
  FROM head
  WHERE t.tenant = $1 AND t.turn_id = head.turn_id
    AND ($5 OR t.replica IN ('', $4) OR t.renewed_at IS NOT NULL)
  RETURNING ${TURN_COLUMNS}
), lane AS (
  UPDATE lanes l SET depth = l.depth - 1, active_turn_id = turn.turn_id, holder_run_id = $3
  FROM turn
  WHERE l.tenant = $1 AND l.session_key = $2
)
SELECT * FROM turn`,
};

const READ_CLAIMED = {
  name: "runner_read_claimed",
  text: `SELECT ${TURN_COLUMNS} FROM turns t WHERE t.tenant = $1 AND t.turn_id = $2 AND t.run_id = $3`,
};

export interface Claimant {
  readonly runId: string;
  readonly replica: string;
  /** Takes also a head whose caller is attached to another replica, which did not come. */
  readonly anyCaller: boolean;
}

/** What became of an attempt to claim. */
export type ClaimResult =
  | { readonly kind: "claimed"; readonly turn: LaneTurn }
  /** Nothing waits, or somebody holds the lane. */
  | { readonly kind: "nothing" }
  /** The head's caller is attached to another replica. */
  | { readonly kind: "preferred" };

/** Takes the head of a free lane for a run. Asked again, since its answer was lost, it tells what that took. */
export function claimHead(
  db: RunnerDatabase,
  tenant: string,
  sessionKey: string,
  { runId, replica, anyCaller }: Claimant,
): Promise<ClaimResult> {
  return db.transaction(async (sql) => {
    const lane = await lockLane(sql, tenant, sessionKey);
    if (lane?.holderRunId === runId) {
      const held = await first<TurnRow>(sql, READ_CLAIMED, [tenant, lane.activeTurnId, runId]);
      return held === undefined ? { kind: "nothing" } : { kind: "claimed", turn: laneTurnOf(held) };
    }
    if (lane === undefined || lane.holderRunId !== undefined || lane.depth === 0) {
      return { kind: "nothing" };
    }
    const params = [tenant, sessionKey, runId, replica, anyCaller];
    const row = await first<TurnRow>(sql, CLAIM_HEAD, params);
    return row === undefined ? { kind: "preferred" } : { kind: "claimed", turn: laneTurnOf(row) };
  });
}

const RELEASE_CLAIM = {
  name: "runner_release_claim",
  text: `
WITH lane AS (
  UPDATE lanes SET depth = depth + 1, active_turn_id = NULL, holder_run_id = NULL
  WHERE tenant = $1 AND session_key = $2 AND holder_run_id = $4
  RETURNING tenant
)
UPDATE turns t SET run_id = NULL,
  stop = CASE WHEN t.front THEN t.stop ELSE nullif(nullif(t.stop, 2), 3) END FROM lane
WHERE t.tenant = $1 AND t.turn_id = $3 AND t.run_id = $4 AND ${stateIn("t.state", "QUEUED")}
RETURNING t.turn_id`,
};

/**
 * Gives a claim back that never began. Who interrupted it goes first now, and it waits behind as it
 * would have, had it not been claimed; one that goes first itself stays interrupted. False: it was lost
 * before, or its run has begun, and then the lane stays the run's.
 */
export function releaseClaim(db: RunnerDatabase, claim: Held): Promise<boolean> {
  const params = [claim.tenant, claim.sessionKey, claim.turnId, claim.runId];
  return db
    .transaction(async (sql) => {
      // The lane may have been freed while the turn is no claim any more: undo both.
      if ((await first(sql, RELEASE_CLAIM, params)) === undefined) throw new NoClaim();
      return true;
    })
    .catch((error: unknown) => {
      if (error instanceof NoClaim) return false;
      throw error;
    });
}

class NoClaim extends Error {}

/** A turn of a lane as its holder knows it. */
export interface Held {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly turnId: string;
  readonly runId: string;
}
