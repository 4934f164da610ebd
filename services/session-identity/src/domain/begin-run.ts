import { admittedElsewhere } from "./admitted-elsewhere.ts";
import { answered, currentFence, type Decision, type JournalDraft, type Now } from "./decision.ts";
import { freshnessAt, type FreshnessPolicy } from "./freshness.ts";
import { generationMismatch, keyMoved, noSession, whyNot } from "./judge-run.ts";
import {
  type ActiveRun,
  changedByRun,
  hasSession,
  type KeyState,
  type StandingKey,
  type TurnClass,
  withSession,
} from "./key-state.ts";
import { leaseLeftMs, renewed } from "./lease.ts";
import type { Fence, Rotation, RunRecord } from "./records.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";
import { rolloverOf } from "./rollover.ts";
import { rotated } from "./rotate.ts";
import { perhapsBegun } from "./run-id.ts";

export interface BeginCommand {
  readonly sessionKey: StandingKey["sessionKey"];
  readonly admittedGeneration: bigint;
  /** Undefined: the caller did not say. */
  readonly admittedSessionId: string | undefined;
  readonly turnId: string;
  readonly runId: string;
  readonly leaseMs: number;
  readonly acceptMs: number;
  readonly turnClass: TurnClass;
  readonly requiredGeneration: bigint | undefined;
  /** Empty: told by `started`, if at all. */
  readonly model: string;
}

export interface BeginFacts {
  readonly now: Now;
  readonly state: KeyState | undefined;
  /** The record of this run id, under whatever key. */
  readonly run: RunRecord | undefined;
  /** The record of the run that holds the key. */
  readonly activeRun: RunRecord | undefined;
  /** Since fences were raised: run ids minted before it may have begun and been forgotten. */
  readonly runIdsFromMs: number | undefined;
  readonly policy: FreshnessPolicy | undefined;
  readonly sendingCount: number;
  /** For a rollover. */
  readonly newSessionId: string;
  readonly principal: string;
}

export interface BeginAnswer {
  readonly fence: Fence;
  readonly leaseMs: number;
  readonly takenOver: ActiveRun | undefined;
  readonly rolledOver: Rotation | undefined;
  readonly state: StandingKey;
}

/** Takes a key for a run, or says why not. */
export function decideBegin(command: BeginCommand, facts: BeginFacts): Decision<BeginAnswer> {
  const known = facts.run === undefined ? undefined : judgeRepeat(command, facts, facts.run);
  if (known !== undefined) return known;
  const state = mayBegin(command, facts);
  return isRefusal(state) ? refusedBegin(command, facts, state) : grant(command, facts, state);
}

/** A run id that began never begins again: it gets its first fence, or hears what became of it. */
function judgeRepeat(
  command: BeginCommand,
  facts: BeginFacts,
  run: RunRecord,
): Decision<BeginAnswer> {
  if (run.sessionKey !== command.sessionKey || run.turnId !== command.turnId) {
    const message = "this run id began for another key or turn";
    return refusedBegin(
      command,
      facts,
      refuse("IDEMPOTENCY_MISMATCH", message, { run_id: run.runId }),
    );
  }
  const { state, now } = facts;
  const fence = firstFence(run);
  if (!hasSession(state)) return refusedBegin(command, facts, noSession(command.sessionKey, state));
  const { activeRun } = state.session;
  if (run.state !== "active" || activeRun?.runId !== run.runId) {
    return refusedBegin(command, facts, whyNot(state, run, fence));
  }
  // Who asks again is alive, and counts the lease from this request.
  const next = withSession(state, { activeRun: renewed(activeRun, now) });
  const answer = {
    fence,
    leaseMs: run.leaseMs,
    takenOver: undefined,
    rolledOver: undefined,
    state: next,
  };
  return answered(answer, { state: next });
}

function firstFence(run: RunRecord): Fence {
  return {
    sessionKey: run.sessionKey,
    sessionId: run.beginSessionId,
    generation: run.beginGeneration,
    runId: run.runId,
    runEpoch: run.epoch,
  };
}

function mayBegin(
  command: BeginCommand,
  { state, now, runIdsFromMs }: BeginFacts,
): Refusal | StandingKey {
  if (!hasSession(state)) return noSession(command.sessionKey, state);
  if (state.movedTo !== undefined) return keyMoved(state.sessionKey, state.movedTo);
  const { generation, oldestRunnable, activeRun } = state.session;
  if (command.admittedGeneration < oldestRunnable) return turnSkipped(command, oldestRunnable);
  const elsewhere = admittedElsewhere(command, state);
  if (elsewhere !== undefined) return elsewhere;
  const { requiredGeneration } = command;
  if (requiredGeneration !== undefined && requiredGeneration !== generation) {
    return generationMismatch(state, requiredGeneration);
  }
  if (activeRun !== undefined && leaseLeftMs(activeRun, now) > 0) return busy(activeRun, now);
  return perhapsBegun(command.runId, runIdsFromMs) ?? state;
}

function turnSkipped(command: BeginCommand, oldestRunnable: bigint): Refusal {
  return refuse("TURN_SKIPPED", "a rotation told the turns that waited to be skipped", {
    turn_id: command.turnId,
    admitted_generation: String(command.admittedGeneration),
    oldest_runnable_generation: String(oldestRunnable),
  });
}

/** Also what a merge is told while the key that moves is held. */
export function busy(holder: ActiveRun, now: Now): Refusal {
  const heartbeatAgeMs = Math.max(0, now.ms - holder.heartbeatMs);
  return {
    ...refuse("SESSION_BUSY", "a run holds the key", {
      holder_run_id: holder.runId,
      holder_turn_id: holder.turnId,
      heartbeat_age_ms: String(Math.round(heartbeatAgeMs)),
    }),
    retryAfterMs: Math.max(1, Math.ceil(leaseLeftMs(holder, now))),
    busy: { holder, heartbeatAgeMs },
  };
}

function grant(
  command: BeginCommand,
  facts: BeginFacts,
  before: StandingKey,
): Decision<BeginAnswer> {
  const rolledOver = rollover(command, facts, before);
  const rolled = rolledOver === undefined ? before : rotated(before, rolledOver, false);
  const state = taken(rolled, command, facts.now);
  const run = newRun(command, facts.now, state);
  const takenOver = before.session.activeRun;
  const lost: RunRecord[] =
    takenOver !== undefined && facts.activeRun !== undefined
      ? [{ ...facts.activeRun, state: "taken_over" }]
      : [];
  return answered(
    { fence: firstFence(run), leaseMs: run.leaseMs, takenOver, rolledOver, state },
    {
      state,
      told: true,
      newRuns: [run],
      runs: lost,
      generations: rolledOver === undefined ? [] : [rolledOver],
      journal: journalOf(command, state, rolledOver, takenOver),
    },
  );
}

/**
 * Idle and daily rollover: for a person's turn alone. A stated generation is a wish to go on in it,
 * so such a turn rolls nothing over. An accept time that lies ahead of this clock counts as now: of a turn that
 * runs again it would be another now each time, so what it has run in is what it goes on in.
 */
function rollover(
  command: BeginCommand,
  facts: BeginFacts,
  state: StandingKey,
): Rotation | undefined {
  if (command.turnClass !== "person" || command.requiredGeneration !== undefined) return undefined;
  if (state.session.lastRun?.turnId === command.turnId) return undefined;
  const acceptMs = Math.min(command.acceptMs, facts.now.ms);
  const freshness = freshnessAt(state.session, facts.policy, acceptMs);
  if (freshness === "fresh") return undefined;
  return rolloverOf(state, freshness, {
    nowMs: facts.now.ms,
    sessionId: facts.newSessionId,
    principal: facts.principal,
    sendingCount: facts.sendingCount,
  });
}

function taken(state: StandingKey, command: BeginCommand, now: Now): StandingKey {
  const { session } = state;
  const runEpoch = session.runEpoch + 1n;
  const activeRun: ActiveRun = {
    runId: command.runId,
    turnId: command.turnId,
    turnClass: command.turnClass,
    epoch: runEpoch,
    beginGeneration: session.generation,
    lastEventSeq: 0n,
    leaseMs: command.leaseMs,
    leaseExpireMs: now.ms + command.leaseMs,
    startMs: now.ms,
    heartbeatMs: now.ms,
    model: command.model,
  };
  const acceptMs = Math.min(command.acceptMs, now.ms);
  const personMs =
    command.turnClass === "person" ? Math.max(session.personMs ?? 0, acceptMs) : session.personMs;
  return changedByRun(state, {
    runEpoch,
    activeRun,
    lastRun: session.lastRun,
    personMs,
    used: true,
  });
}

function newRun(command: BeginCommand, now: Now, { session }: StandingKey): RunRecord {
  return {
    runId: command.runId,
    sessionKey: command.sessionKey,
    turnId: command.turnId,
    epoch: session.runEpoch,
    beginGeneration: session.generation,
    beginSessionId: session.sessionId,
    leaseMs: command.leaseMs,
    beginMs: now.ms,
    state: "active",
    staleGeneration: undefined,
    ending: undefined,
  };
}

function journalOf(
  command: BeginCommand,
  state: StandingKey,
  rolledOver: Rotation | undefined,
  takenOver: ActiveRun | undefined,
): JournalDraft[] {
  const { sessionId, generation } = state.session;
  const about = { sessionId, generation, turnId: command.turnId, current: currentFence(state) };
  const drafts: JournalDraft[] = [];
  if (rolledOver !== undefined) {
    drafts.push({ operation: "rollover", reason: rolledOver.reason.toUpperCase(), ...about });
  }
  if (takenOver !== undefined) {
    const shown = {
      sessionKey: state.sessionKey,
      sessionId: "",
      generation: takenOver.beginGeneration,
      runId: takenOver.runId,
      runEpoch: takenOver.epoch,
    };
    drafts.push({ operation: "take_over", ...about, turnId: takenOver.turnId, shown });
  }
  drafts.push({ operation: "begin_run", ...about });
  return drafts;
}

function refusedBegin(command: BeginCommand, facts: BeginFacts, refusal: Refusal): Decision<never> {
  const { state } = facts;
  const shown: Fence = {
    sessionKey: command.sessionKey,
    sessionId: "",
    generation: command.admittedGeneration,
    runId: command.runId,
    runEpoch: 0n,
  };
  const about = hasSession(state)
    ? {
        sessionId: state.session.sessionId,
        generation: state.session.generation,
        current: currentFence(state),
      }
    : {};
  return { refusal, journal: { operation: "begin_run", turnId: command.turnId, shown, ...about } };
}
