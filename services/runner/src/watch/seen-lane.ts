import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { LaneStateSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { laneOrder } from "../domain/lane-order.ts";
import { LIMITS } from "../limits.ts";
import type { LaneMark, WatchedLane } from "../store/lanes/watch-lanes.ts";
import { laneName } from "../domain/lane-name.ts";

/** A lane as it was seen, and when. */
export interface SeenLane {
  /** Of tenant and key. */
  readonly id: string;
  readonly lane: WatchedLane;
  /** On this process' monotonic clock. */
  readonly seenMs: number;
}

export function laneId({ tenant, sessionKey }: Pick<LaneMark, "tenant" | "sessionKey">): string {
  return laneName(tenant, sessionKey);
}

/** The same lane without work. */
export function emptied({ id, lane }: SeenLane, seenMs: number): SeenLane {
  const nobody = { activeTurnId: null, holderRunId: null, heartbeatAgeMs: null };
  return { id, seenMs, lane: { ...lane, ...nobody, depth: 0, waiting: [] } };
}

/** As it is told at this moment: a heartbeat is as old as it was when seen, and what has passed since. */
export function showSeen(
  { lane, seenMs }: SeenLane,
  nowMs: number,
): MessageInitShape<typeof LaneStateSchema> {
  const { sessionKey, depth, activeTurnId: turnId, holderRunId: runId, heartbeatAgeMs } = lane;
  const ageMs = Math.max(0, heartbeatAgeMs ?? 0) + nowMs - seenMs;
  const age = heartbeatAgeMs === null ? {} : { heartbeatAge: durationFromMs(Math.round(ageMs)) };
  const isHeld = turnId !== null && runId !== null;
  return {
    sessionKey,
    depth,
    ...(isHeld ? { holder: { turnId, runId, ...age } } : {}),
    waiting: waitingOf(lane, isHeld ? 1 : 0),
  };
}

function waitingOf({ waiting, personsServed }: WatchedLane, ahead: number) {
  const turns = waiting.map((turn) => ({ ...turn, isPerson: turn.turnClass === TurnClass.PERSON }));
  const order = laneOrder(turns, personsServed, LIMITS.personTurnsPerSystemTurn);
  return order.slice(0, LIMITS.watchedTurnsPerLane).map((turn, index) => ({
    turnId: turn.turnId,
    position: index + ahead,
    turnClass: turn.turnClass as TurnClass,
    acceptTime: timestampFromDate(turn.acceptTime),
  }));
}
