import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { errorDetail, type LanekeeperError, later } from "@lanekeeper/rpc";
import { type LaneRow, readLane } from "../store/lanes/lane-row.ts";
import type { NewLaneTurn } from "../store/admission/new-turn.ts";
import type { AdmissionOptions } from "./admission-result.ts";
import type { RunnerDeps } from "../deps.ts";

/** Why the lane took no turn; nothing, if it would take it now. */
export async function refuseIfFull(
  deps: RunnerDeps,
  turn: NewLaneTurn,
  { maxWaiting }: AdmissionOptions,
): Promise<void> {
  const lane = await readLane(deps.db, turn.tenant, turn.session.sessionKey);
  if (lane === undefined || (lane.holderRunId === undefined && lane.depth === 0)) return;
  if (turn.onConflict === OnConflict.REJECT) {
    const why = lane.holderRunId === undefined ? "a turn waits in" : "a run holds";
    throw await sessionBusy(deps, turn, lane, `${why} the session's lane`, 1_000);
  }
  if (lane.depth < maxWaiting) return;
  throw later(
    "QUEUE_FULL",
    `the lane holds ${lane.depth} waiting turns of at most ${maxWaiting}`,
    1_000,
    {
      metadata: { depth: String(lane.depth), max_waiting_turns: String(maxWaiting) },
    },
  );
}

/**
 * The lane was refused each time and would have taken the turn at each look at why: turns begin and end there as
 * fast as it is asked. Its `bound` tells it from the refusal of an agent that rejects.
 */
export async function laneChanges(
  deps: RunnerDeps,
  turn: NewLaneTurn,
  attempts: number,
): Promise<LanekeeperError> {
  const lane = await readLane(deps.db, turn.tenant, turn.session.sessionKey);
  const why = `the session's lane changes too fast: it was asked ${attempts} times`;
  const bound = { bound: "admission_attempts", limit: String(attempts) };
  return sessionBusy(deps, turn, lane ?? NO_LANE, why, 100, bound);
}

type Lane = Pick<LaneRow, "depth" | "holderRunId" | "activeTurnId">;

const NO_LANE: Lane = { depth: 0, holderRunId: undefined, activeTurnId: undefined };

async function sessionBusy(
  deps: RunnerDeps,
  turn: NewLaneTurn,
  lane: Lane,
  why: string,
  retryAfterMs: number,
  bound: Readonly<Record<string, string>> = {},
): Promise<LanekeeperError> {
  const { rows } = await deps.db.query<{ renewed_at: Date | null; age_ms: number }>(
    `SELECT renewed_at, extract(epoch FROM clock_timestamp() - renewed_at)::float8 * 1000 AS age_ms
     FROM turns WHERE tenant = $1 AND turn_id = $2`,
    [turn.tenant, lane.activeTurnId ?? null],
  );
  const renewedAt = rows[0]?.renewed_at ?? undefined;
  const detail = errorDetail(SessionBusySchema, {
    holder: {
      runId: lane.holderRunId ?? "",
      turnId: lane.activeTurnId ?? "",
      ...(renewedAt === undefined ? {} : { heartbeatTime: timestampFromDate(renewedAt) }),
    },
    heartbeatAge: durationFromMs(Math.max(0, Math.round(rows[0]?.age_ms ?? 0))),
    depth: lane.depth,
  });
  return later("SESSION_BUSY", why, retryAfterMs, {
    details: [detail],
    metadata: { run_id: lane.holderRunId ?? "", depth: String(lane.depth), ...bound },
  });
}
