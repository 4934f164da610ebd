import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type Fence,
  type ReplyFence,
  type Rotation,
  type RotationReason,
  RotationSchema,
  RunOutcome,
  SessionBusySchema,
  type Session,
  SessionSchema,
  type SessionRef,
  StaleFenceSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { errorDetail, LanekeeperError, later } from "@lanekeeper/rpc";

export interface ActiveRun {
  readonly runId: string;
  readonly turnId: string;
  readonly epoch: bigint;
  readonly generations: bigint[];
  leaseUntilMs: number;
  /** It renews no more. */
  isOver: boolean;
}

/** What the stand-in for session-identity knows of one key. */
export interface KeyRow {
  readonly sessionKey: string;
  sessionId: string;
  generation: bigint;
  epoch: bigint;
  parentSessionId: string;
  oldestRunnable: bigint;
  oldestDeliverable: bigint;
  active: ActiveRun | undefined;
  movedTo: string;
  readonly absorbed: { readonly sessionId: string; readonly intoSessionId: string }[];
  progress: number;
  /** Newest first. */
  readonly rotations: Rotation[];
}

export interface EndedRun {
  readonly outcome: number;
  readonly sessionKey: string;
}

export function newRow(sessionKey: string): KeyRow {
  return {
    sessionKey,
    sessionId: randomUUID(),
    generation: 1n,
    epoch: 0n,
    parentSessionId: "",
    oldestRunnable: 1n,
    oldestDeliverable: 1n,
    active: undefined,
    movedTo: "",
    absorbed: [],
    progress: 0,
    rotations: [],
  };
}

/**
 * The run that a fence is of: its epoch, and a generation that it has held.
 *
 * @throws KEY_MOVED, STALE_GENERATION, TAKEN_OVER
 */
export function holding(row: KeyRow, fence: Fence | undefined): ActiveRun {
  if (row.movedTo !== "") throw new LanekeeperError("KEY_MOVED", "merged");
  const active = row.active;
  if (active !== undefined && active.runId === fence?.runId && active.epoch === fence.runEpoch)
    return active;
  const isRotated = (fence?.session?.generation ?? 0n) < row.generation;
  const current = {
    session: sessionOf(row).ref as SessionRef,
    runId: active?.runId ?? "",
    runEpoch: row.epoch,
  };
  throw new LanekeeperError(
    isRotated ? "STALE_GENERATION" : "TAKEN_OVER",
    isRotated ? "rotated away" : "another run took the key",
    { details: [errorDetail(StaleFenceSchema, { current })] },
  );
}

/** @throws STALE_GENERATION: replies of its generation may no longer go out. */
export function deliverable(row: KeyRow, { session }: ReplyFence): void {
  if ((session?.generation ?? 0n) >= row.oldestDeliverable) return;
  throw new LanekeeperError("STALE_GENERATION", "reset away");
}

export function renew(
  row: KeyRow,
  parentSessionId: string,
  reason: RotationReason,
  note: string,
): void {
  const previous = sessionOf(row).ref as SessionRef;
  row.sessionId = randomUUID();
  row.generation += 1n;
  row.parentSessionId = parentSessionId;
  const current = sessionOf(row).ref as SessionRef;
  row.rotations.unshift(
    create(RotationSchema, { previous, current, reason, parentSessionId, note }),
  );
}

export function busy(active: ActiveRun): LanekeeperError {
  const leftMs = Math.ceil(Math.max(1, active.leaseUntilMs - performance.now()));
  const detail = errorDetail(SessionBusySchema, {
    holder: { runId: active.runId, turnId: active.turnId },
  });
  return later("SESSION_BUSY", "a run holds the key", leftMs, { details: [detail] });
}

export function runEnded(ended: EndedRun | undefined): LanekeeperError {
  return new LanekeeperError("RUN_ENDED", "the run has ended", {
    metadata: { outcome: String(ended?.outcome ?? RunOutcome.UNSPECIFIED) },
  });
}

export function sessionOf(row: KeyRow): Session {
  const { sessionKey, sessionId, generation, epoch, parentSessionId, active } = row;
  const { movedTo: movedToSessionKey, absorbed } = row;
  return create(SessionSchema, {
    ref: { sessionKey, sessionId, generation },
    runEpoch: epoch,
    parentSessionId,
    movedToSessionKey,
    absorbed,
    ...(active === undefined ? {} : { activeRun: { runId: active.runId, turnId: active.turnId } }),
  });
}
