import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type FenceSchema,
  Freshness as ProtoFreshness,
  type RotationSchema,
  type RunSchema,
  type SessionSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Freshness } from "../../domain/freshness.ts";
import type { ActiveRun, PastRun, StandingKey } from "../../domain/key-state.ts";
import type { Fence, Rotation } from "../../domain/records.ts";
import type { CurrentFence } from "../../domain/refusal.ts";
import { numberOf, OUTCOMES, PENDING_REPLIES, QUEUED_TURNS, REASONS } from "../parse/enums.ts";

const FRESHNESS: Readonly<Record<Freshness, ProtoFreshness>> = {
  fresh: ProtoFreshness.FRESH,
  idle_expired: ProtoFreshness.IDLE_EXPIRED,
  daily_expired: ProtoFreshness.DAILY_EXPIRED,
};

export function showSession(
  state: StandingKey,
  freshness?: Freshness,
): MessageInitShape<typeof SessionSchema> {
  const { session, sessionKey } = state;
  const { sessionId, generation, activeRun, lastRun, parentSessionId } = session;
  return {
    ref: { sessionKey, sessionId, generation },
    agentId: state.agentId,
    runEpoch: session.runEpoch,
    ...(activeRun === undefined ? {} : { activeRun: showActiveRun(activeRun) }),
    ...(lastRun === undefined ? {} : { lastRun: showPastRun(lastRun) }),
    oldestRunnableGeneration: session.oldestRunnable,
    oldestDeliverableGeneration: session.oldestDeliverable,
    parentSessionId: parentSessionId ?? "",
    createTime: timestampFromMs(session.createMs),
    rotateTime: timestampFromMs(session.rotateMs),
    revision: state.revision,
    movedToSessionKey: state.movedTo ?? "",
    absorbed: [...state.absorbed],
    ...(freshness === undefined ? {} : { freshness: FRESHNESS[freshness] }),
  };
}

export function showActiveRun(run: ActiveRun): MessageInitShape<typeof RunSchema> {
  const { runId, turnId, epoch, startMs, heartbeatMs, model } = run;
  return {
    runId,
    turnId,
    model,
    runEpoch: epoch,
    startTime: timestampFromMs(startMs),
    heartbeatTime: timestampFromMs(heartbeatMs),
  };
}

function showPastRun(run: PastRun): MessageInitShape<typeof RunSchema> {
  const { runId, turnId, epoch, startMs, heartbeatMs, model, errorReason, errorMessage } = run;
  return {
    runId,
    turnId,
    model,
    runEpoch: epoch,
    errorReason,
    errorMessage,
    startTime: timestampFromMs(startMs),
    heartbeatTime: timestampFromMs(heartbeatMs),
    endTime: timestampFromMs(run.endMs),
    outcome: numberOf(OUTCOMES, run.outcome),
  };
}

export function showFence(fence: Fence | CurrentFence): MessageInitShape<typeof FenceSchema> {
  const { sessionKey, sessionId, generation, runId, runEpoch } = fence;
  return { session: { sessionKey, sessionId, generation }, runId, runEpoch };
}

export function showRotation(rotation: Rotation): MessageInitShape<typeof RotationSchema> {
  const { sessionKey, sessionId, generation, principal, note, perhapsSentCount } = rotation;
  return {
    previous: {
      sessionKey,
      sessionId: rotation.previousSessionId,
      generation: rotation.previousGeneration,
    },
    current: { sessionKey, sessionId, generation },
    reason: numberOf(REASONS, rotation.reason),
    parentSessionId: rotation.parentSessionId ?? "",
    parentThroughTurnId: rotation.parentThroughTurnId,
    principal,
    note,
    perhapsSentCount,
    createTime: timestampFromMs(rotation.createMs),
    queuedTurns: numberOf(QUEUED_TURNS, rotation.queuedTurns),
    pendingReplies: numberOf(PENDING_REPLIES, rotation.pendingReplies),
  };
}
