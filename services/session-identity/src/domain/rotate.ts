import { type Decision, type JournalDraft, answered, currentFence } from "./decision.ts";
import { generationMismatch, judgeRun, keyMoved, noSession } from "./judge-run.ts";
import {
  type ActiveRun,
  hasSession,
  type KeyState,
  revised,
  type StandingKey,
  withSession,
} from "./key-state.ts";
import type {
  Fence,
  PendingReplies,
  QueuedTurns,
  Rotation,
  RotationReason,
  RunRecord,
} from "./records.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

export type Precondition =
  | { readonly kind: "none" }
  | { readonly kind: "generation"; readonly expected: bigint }
  | { readonly kind: "owner"; readonly fence: Fence };

/** Why and how a new generation begins. */
export interface RotateCommand {
  readonly sessionKey: StandingKey["sessionKey"];
  readonly reason: Exclude<RotationReason, "idle" | "daily">;
  readonly precondition: Precondition;
  readonly queuedTurns: QueuedTurns;
  readonly pendingReplies: PendingReplies;
  /** For RESTORE, FORK, REPLAY. */
  readonly sourceSessionId: string | undefined;
  readonly sourceThroughTurnId: string;
  readonly note: string;
}

/** What the command's ids led to, read under the row's lock. */
export interface RotateFacts {
  readonly nowMs: number;
  readonly state: KeyState | undefined;
  /** The record of the owner's run, where one is shown. */
  readonly run: RunRecord | undefined;
  /** The record of the run that holds the key. */
  readonly activeRun: RunRecord | undefined;
  /** The named source, if it is one of the tenant's that may be told of. */
  readonly source: { readonly sessionKey: string; readonly agentId: string } | undefined;
  /** Replies whose send is claimed and not settled. */
  readonly sendingCount: number;
  readonly newSessionId: string;
  readonly principal: string;
}

export interface RotateAnswer {
  readonly rotation: Rotation;
  /** The owner's new fence. */
  readonly fence: Fence | undefined;
  /** The run that the rotation ended. */
  readonly endedRun: ActiveRun | undefined;
}

/** Begins a new generation, or says why not. */
export function decideRotate(command: RotateCommand, facts: RotateFacts): Decision<RotateAnswer> {
  const state = mayRotate(command, facts);
  if (isRefusal(state)) return { refusal: state, journal: refusedDraft(command, facts.state) };
  const owner = command.precondition.kind === "owner";
  const rotation = makeRotation(command, facts, state);
  const next = revised(rotated(state, rotation, owner));
  const endedRun = owner ? undefined : state.session.activeRun;
  const fence = owner ? ownerFence(next) : undefined;
  return answered(
    { rotation, fence, endedRun },
    {
      state: next,
      told: true,
      generations: [rotation],
      ...(endedRun && facts.activeRun ? { runs: [endedBy(facts.activeRun, rotation)] } : {}),
      journal: [acceptedDraft(command, state, next)],
    },
  );
}

function mayRotate(command: RotateCommand, facts: RotateFacts): Refusal | StandingKey {
  const { state } = facts;
  if (command.precondition.kind === "owner") {
    const judged = judgeRun(state, facts.run, command.precondition.fence);
    if (isRefusal(judged)) return judged;
  }
  if (!hasSession(state)) return noSession(command.sessionKey, state);
  if (state.movedTo !== undefined) return keyMoved(state.sessionKey, state.movedTo);
  const { precondition } = command;
  if (precondition.kind === "generation" && precondition.expected !== state.session.generation) {
    return generationMismatch(state, precondition.expected);
  }
  return checkSource(command, facts, state) ?? state;
}

/** RESTORE takes an earlier session of this key, FORK and REPLAY one of any key of the agent. */
function checkSource(
  command: RotateCommand,
  { source }: RotateFacts,
  state: StandingKey,
): Refusal | undefined {
  if (command.sourceSessionId === undefined) return undefined;
  const fits =
    source !== undefined &&
    source.agentId === state.agentId &&
    (command.reason !== "restore" || source.sessionKey === state.sessionKey);
  return fits ? undefined : noSource(command.sourceSessionId);
}

/** The same where there is none and where it is not for the caller to know of. */
export function noSource(sourceSessionId: string): Refusal {
  return refuse("NOT_FOUND", "no such session to take the history from", {
    resource_type: "session",
    resource_name: sourceSessionId,
  });
}

function makeRotation(command: RotateCommand, facts: RotateFacts, state: StandingKey): Rotation {
  return {
    sessionKey: state.sessionKey,
    agentId: state.agentId,
    previousSessionId: state.session.sessionId,
    previousGeneration: state.session.generation,
    sessionId: facts.newSessionId,
    generation: state.session.generation + 1n,
    reason: command.reason,
    parentSessionId: parentOf(command, state),
    parentThroughTurnId: command.sourceThroughTurnId,
    principal: facts.principal,
    note: command.note,
    createMs: facts.nowMs,
    queuedTurns: command.queuedTurns,
    pendingReplies: command.pendingReplies,
    perhapsSentCount: facts.sendingCount,
  };
}

/** RESET starts without a parent; COMPACTION and MIGRATION go on from their predecessor. */
function parentOf(command: RotateCommand, state: StandingKey): string | undefined {
  switch (command.reason) {
    case "reset":
      return undefined;
    case "compaction":
    case "migration":
      return state.session.sessionId;
    case "restore":
    case "fork":
    case "replay":
      return command.sourceSessionId;
  }
}

/**
 * The row after a rotation, at the same revision still. Only the owner's leaves the run in place, with
 * its epoch.
 */
export function rotated(state: StandingKey, rotation: Rotation, owner: boolean): StandingKey {
  const { session } = state;
  // Who rotates a key goes on with it.
  const going = { ...state, erasureId: undefined };
  return withSession(going, {
    sessionId: rotation.sessionId,
    generation: rotation.generation,
    parentSessionId: rotation.parentSessionId,
    activeRun: owner ? session.activeRun : undefined,
    lastRun: undefined,
    oldestRunnable: rotation.queuedTurns === "skip" ? rotation.generation : session.oldestRunnable,
    oldestDeliverable:
      rotation.pendingReplies === "suppress" ? rotation.generation : session.oldestDeliverable,
    rotateMs: rotation.createMs,
    used: owner || rotation.parentSessionId !== undefined,
  });
}

function endedBy(run: RunRecord, rotation: Rotation): RunRecord {
  return { ...run, state: "rotated", staleGeneration: rotation.generation };
}

function ownerFence(state: StandingKey): Fence | undefined {
  const { activeRun, sessionId, generation } = state.session;
  if (activeRun === undefined) return undefined;
  const { runId, epoch } = activeRun;
  return { sessionKey: state.sessionKey, sessionId, generation, runId, runEpoch: epoch };
}

function acceptedDraft(
  command: RotateCommand,
  before: StandingKey,
  after: StandingKey,
): JournalDraft {
  return {
    operation: "rotate",
    reason: command.reason.toUpperCase(),
    sessionId: after.session.sessionId,
    generation: after.session.generation,
    turnId: before.session.activeRun?.turnId ?? "",
    current: currentFence(after),
    note: command.note,
    ...shownBy(command),
  };
}

function refusedDraft(command: RotateCommand, state: KeyState | undefined): JournalDraft {
  return {
    operation: "rotate",
    ...(hasSession(state)
      ? {
          sessionId: state.session.sessionId,
          generation: state.session.generation,
          current: currentFence(state),
        }
      : {}),
    ...shownBy(command),
  };
}

function shownBy({ precondition, sessionKey }: RotateCommand): { shown?: Fence } {
  if (precondition.kind === "owner") return { shown: precondition.fence };
  if (precondition.kind === "none") return {};
  return {
    shown: {
      sessionKey,
      sessionId: "",
      generation: precondition.expected,
      runId: "",
      runEpoch: 0n,
    },
  };
}
