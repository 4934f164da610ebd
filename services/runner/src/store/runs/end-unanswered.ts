import { codesBefore, stateCode, type TurnStateName } from "../../domain/turn-state.ts";
import { LIMITS } from "../../limits.ts";
import { first, rows, type RunnerDatabase, type Sql } from "../sql.ts";
import { isSteered, mayBecomeFrom, stateIn } from "../state-in.ts";
import { freeSteersOfWaiting } from "../answering/steer.ts";

/** A turn that ends without an ending of its own run. */
export interface Unanswered {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly turnId: string;
  readonly state: TurnStateName;
  readonly errorReason: string;
  readonly errorMessage: string;
  readonly endedStreamSeq: bigint;
}

const END_HELD = {
  name: "runner_end_held",
  text: `
WITH lane AS (
  UPDATE lanes SET active_turn_id = NULL, holder_run_id = NULL
  WHERE tenant = $1 AND session_key = $2 AND holder_run_id = $4
    AND EXISTS (SELECT FROM turns t WHERE t.tenant = $1 AND t.turn_id = $3 AND t.run_id = $4
                AND t.state = ANY ($9::int[]))
  RETURNING depth
), turn AS (
  UPDATE turns t SET state = $5, end_time = clock_timestamp(), error_reason = $6, error_message = $7,
    ended_stream_seq = $8
  FROM lane
  WHERE t.tenant = $1 AND t.turn_id = $3 AND t.run_id = $4 AND t.state = ANY ($9::int[])
  RETURNING t.turn_id, t.end_time
), run AS (
  UPDATE runs r SET end_time = turn.end_time, error_reason = $6, error_message = $7 FROM turn
  WHERE r.tenant = $1 AND r.turn_id = $3 AND r.run_id = $4 AND r.end_time IS NULL
)
SELECT lane.depth,
  EXISTS (SELECT FROM turns s WHERE s.tenant = $1 AND s.session_key = $2 AND ${isSteered("s")}
          AND s.into_turn_id = $3) AS "hasSteers"
FROM lane, turn`,
};

/** Ends a held turn whose run has no right to write any more. Undefined: it is not the run's. */
export function endHeld(
  sql: Sql,
  end: Unanswered,
  runId: string,
): Promise<{ readonly depth: number; readonly hasSteers: boolean } | undefined> {
  return first(sql, END_HELD, [
    end.tenant,
    end.sessionKey,
    end.turnId,
    runId,
    stateCode(end.state),
    end.errorReason,
    end.errorMessage,
    end.endedStreamSeq,
    codesBefore(end.state),
  ]);
}

const LOCK_LANE_OF = {
  name: "runner_lock_lane_of",
  text: `SELECT active_turn_id FROM lanes WHERE tenant = $1 AND session_key = $2 FOR UPDATE`,
};

const END_WAITING = {
  name: "runner_end_waiting",
  text: `
WITH turn AS (
  UPDATE turns t SET state = $4, end_time = clock_timestamp(), error_reason = $5, error_message = $6,
    ended_stream_seq = $7
  WHERE t.tenant = $1 AND t.turn_id = $3 AND ${stateIn("t.state", "QUEUED")} AND t.session_key = $2
    AND t.steer IS DISTINCT FROM 2
  RETURNING t.run_id, t.turn_id, t.steer
)
UPDATE lanes l SET
  depth = l.depth
    - CASE WHEN l.active_turn_id = turn.turn_id OR turn.steer IS NOT NULL THEN 0 ELSE 1 END,
  active_turn_id = CASE WHEN l.active_turn_id = turn.turn_id THEN NULL ELSE l.active_turn_id END,
  holder_run_id = CASE WHEN l.active_turn_id = turn.turn_id THEN NULL ELSE l.holder_run_id END
FROM turn WHERE l.tenant = $1 AND l.session_key = $2
RETURNING l.depth`,
};

/** Ends a turn that waits, claimed or not. False: it waits no more, or the turn that it was handed to has read it. */
export function endWaiting(db: RunnerDatabase, end: Unanswered): Promise<boolean> {
  return db.transaction(async (sql) => {
    await sql.query(LOCK_LANE_OF, [end.tenant, end.sessionKey]);
    const ended = await first(sql, END_WAITING, [
      end.tenant,
      end.sessionKey,
      end.turnId,
      stateCode(end.state),
      end.errorReason,
      end.errorMessage,
      end.endedStreamSeq,
    ]);
    if (ended !== undefined) await freeSteersOfWaiting(sql, end);
    return ended !== undefined;
  });
}

const IS_SPARED = `($7 AND t.spared_runs < ${LIMITS.sparedRunsPerTurn})`;

const REQUEUE = {
  name: "runner_requeue",
  text: `
WITH lane AS (
  UPDATE lanes SET active_turn_id = NULL, holder_run_id = NULL, depth = depth + 1
  WHERE tenant = $1 AND session_key = $2 AND holder_run_id = $4
  RETURNING depth
), turn AS (
  UPDATE turns t SET state = ${stateCode("QUEUED")}, run_id = NULL, renewed_at = NULL, replica = '',
    spared_runs = t.spared_runs + CASE WHEN ${IS_SPARED} THEN 1 ELSE 0 END
  FROM lane
  WHERE t.tenant = $1 AND t.turn_id = $3 AND t.run_id = $4
    AND ${mayBecomeFrom("t.state", "QUEUED")} AND t.prepared_run_id IS NULL
    AND (${IS_SPARED} OR t.run_count - t.spared_runs < ${LIMITS.runsPerTurn})
  RETURNING t.turn_id
), run AS (
  UPDATE runs r SET end_time = clock_timestamp(), outcome = $5, error_reason = $6 FROM turn
  WHERE r.tenant = $1 AND r.turn_id = $3 AND r.run_id = $4
)
SELECT lane.depth FROM lane, turn`,
};

/** How a run is told of that gives its turn back. */
export interface GivenBack {
  readonly outcome: number;
  readonly errorReason: string;
  /** It counts for nothing against the turn. */
  readonly isSpared: boolean;
}

/**
 * Gives an active turn back to its queue, at its old place. False: it is not the run's, or was the last
 * that the turn may have.
 */
export async function requeue(
  db: RunnerDatabase,
  held: {
    readonly tenant: string;
    readonly sessionKey: string;
    readonly turnId: string;
    readonly runId: string;
  },
  { outcome, errorReason, isSpared }: GivenBack,
): Promise<boolean> {
  const { tenant, sessionKey, turnId, runId } = held;
  const params = [tenant, sessionKey, turnId, runId, outcome, errorReason, isSpared];
  return db
    .transaction(async (sql) => {
      const found = await rows(sql, REQUEUE, params);
      if (found.length === 0) throw new NotHeld();
      return true;
    })
    .catch((error: unknown) => {
      if (error instanceof NotHeld) return false;
      throw error;
    });
}

class NotHeld extends Error {}

const DISCARD_PREPARED = {
  name: "runner_discard_prepared",
  text: `
UPDATE turns SET prepared_run_id = NULL
WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND prepared_run_id = $3
  AND ${stateIn("state", "ACTIVE")}
RETURNING turn_id`,
};

/** Session-identity refused the stored ending: the turn may be attempted anew. */
export async function discardPrepared(
  sql: Sql,
  held: { readonly tenant: string; readonly turnId: string; readonly runId: string },
): Promise<boolean> {
  return (await first(sql, DISCARD_PREPARED, [held.tenant, held.turnId, held.runId])) !== undefined;
}
