import { answered, currentFence, type Decision, type JournalDraft, type Now } from "./decision.ts";
import { judgeRun, runEnded } from "./judge-run.ts";
import {
  changedByRun,
  hasSession,
  type KeyState,
  revised,
  type StandingKey,
  withSession,
} from "./key-state.ts";
import { renewed } from "./lease.ts";
import type { Ending, EventRecord, Fence, RunRecord, WriteAnswer } from "./records.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

export type RunEvent =
  | { readonly kind: "started"; readonly model: string }
  | { readonly kind: "progress"; readonly phase: string }
  | ({ readonly kind: "ended" } & Ending);

export interface WriteRunCommand {
  readonly fence: Fence;
  /** 0 for an ending, of which there is one. */
  readonly eventSeq: bigint;
  readonly event: RunEvent;
  readonly fingerprint: string;
}

export interface WriteRunFacts {
  readonly now: Now;
  readonly state: KeyState | undefined;
  readonly run: RunRecord | undefined;
  /** What was recorded under this run id and event_seq. */
  readonly recorded: EventRecord | undefined;
}

/** What a run writes. A repeat is answered from its record; only an unseen event meets the fence. */
export function decideWriteRun(
  command: WriteRunCommand,
  facts: WriteRunFacts,
): Decision<WriteAnswer> {
  const known = recordedAnswer(command, facts);
  if (known !== undefined) {
    return isRefusal(known) ? refused(command, facts, known) : answered(known);
  }
  const state = judgeRun(facts.state, facts.run, command.fence);
  if (isRefusal(state)) return refused(command, facts, state);
  const { event } = command;
  if (event.kind === "ended") return end(command, event, facts, state);
  return event.kind === "started"
    ? start(command, event.model, facts, state)
    : heartbeat(command, facts, state);
}

function recordedAnswer(
  command: WriteRunCommand,
  facts: WriteRunFacts,
): WriteAnswer | Refusal | undefined {
  const { fence, event } = command;
  const run = facts.run?.sessionKey === fence.sessionKey ? facts.run : undefined;
  if (event.kind === "ended") return recordedEnding(event, run);
  const { recorded } = facts;
  if (recorded !== undefined) {
    const same =
      recorded.fingerprint === command.fingerprint && recorded.sessionKey === fence.sessionKey;
    return same ? recorded.answer : otherContent(command);
  }
  return run?.ending === undefined ? undefined : runEnded(run);
}

/** The first ending wins; an equal one is its repeat. */
function recordedEnding(
  event: Ending,
  run: RunRecord | undefined,
): WriteAnswer | Refusal | undefined {
  if (run?.ending === undefined) return undefined;
  return sameEnding(event, run.ending)
    ? { applied: true, leaseMs: 0, revision: run.ending.revision }
    : runEnded(run);
}

function sameEnding(a: Ending, b: Ending): boolean {
  return (
    a.outcome === b.outcome &&
    a.errorReason === b.errorReason &&
    a.errorMessage === b.errorMessage &&
    a.inputTokens === b.inputTokens &&
    a.outputTokens === b.outputTokens
  );
}

function otherContent(command: WriteRunCommand): Refusal {
  return refuse("IDEMPOTENCY_MISMATCH", "this event_seq was written with other content", {
    run_id: command.fence.runId,
    event_seq: String(command.eventSeq),
  });
}

/** Renews the lease. Late ones, overtaken by a greater number, are dropped without a record. */
function heartbeat(
  command: WriteRunCommand,
  { now }: WriteRunFacts,
  state: StandingKey,
): Decision<WriteAnswer> {
  const { activeRun } = state.session;
  if (activeRun === undefined) throw new Error("a current fence has an active run");
  if (command.eventSeq <= activeRun.lastEventSeq) {
    return answered({ applied: false, leaseMs: activeRun.leaseMs, revision: state.revision });
  }
  const lastEventSeq = command.eventSeq;
  const next = withSession(state, { activeRun: { ...renewed(activeRun, now), lastEventSeq } });
  const answer = { applied: true, leaseMs: activeRun.leaseMs, revision: state.revision };
  return answered(answer, { state: next, events: [eventOf(command, answer, now)] });
}

/** Also when a heartbeat overtook it: what it tells, the model, is still news. */
function start(
  command: WriteRunCommand,
  model: string,
  { now }: WriteRunFacts,
  state: StandingKey,
): Decision<WriteAnswer> {
  const { activeRun } = state.session;
  if (activeRun === undefined) throw new Error("a current fence has an active run");
  const lastEventSeq =
    command.eventSeq > activeRun.lastEventSeq ? command.eventSeq : activeRun.lastEventSeq;
  const next = revised(
    withSession(state, { activeRun: { ...renewed(activeRun, now), model, lastEventSeq } }),
  );
  const answer = { applied: true, leaseMs: activeRun.leaseMs, revision: next.revision };
  return answered(answer, {
    state: next,
    told: true,
    events: [eventOf(command, answer, now)],
    journal: [draft(command, next)],
  });
}

function end(
  command: WriteRunCommand,
  { kind: _kind, ...ending }: Ending & { readonly kind: "ended" },
  { now, run }: WriteRunFacts,
  state: StandingKey,
): Decision<WriteAnswer> {
  const next = ended(state, ending, now);
  const { revision } = next;
  const answer = { applied: true, leaseMs: 0, revision };
  return answered(answer, {
    state: next,
    told: true,
    runs: run === undefined ? [] : [{ ...run, state: "ended", ending: { revision, ...ending } }],
    journal: [{ reason: ending.errorReason, ...draft(command, next) }],
  });
}

/**
 * An answer that took long is no silence: a person's run extends freshness also when it ends. None ends before it
 * began: two answers of the clock may be a few milliseconds apart.
 */
function ended(state: StandingKey, ending: Ending, now: Now): StandingKey {
  const { activeRun, personMs } = state.session;
  if (activeRun === undefined) throw new Error("a current fence has an active run");
  return changedByRun(state, {
    runEpoch: state.session.runEpoch,
    activeRun: undefined,
    lastRun: {
      runId: activeRun.runId,
      turnId: activeRun.turnId,
      epoch: activeRun.epoch,
      startMs: activeRun.startMs,
      heartbeatMs: activeRun.heartbeatMs,
      endMs: Math.max(now.ms, activeRun.startMs),
      outcome: ending.outcome,
      errorReason: ending.errorReason,
      errorMessage: ending.errorMessage,
      model: activeRun.model,
    },
    personMs: activeRun.turnClass === "person" ? Math.max(personMs ?? 0, now.ms) : personMs,
    used: state.session.used,
  });
}

function eventOf(command: WriteRunCommand, answer: WriteAnswer, now: Now): EventRecord {
  return {
    writerKind: "run",
    writerId: command.fence.runId,
    eventSeq: command.eventSeq,
    sessionKey: command.fence.sessionKey,
    fingerprint: command.fingerprint,
    answer,
    createMs: now.ms,
  };
}

const OPERATIONS = {
  started: "run_started",
  progress: "run_progress",
  ended: "run_ended",
} as const;

function draft(command: WriteRunCommand, state: StandingKey, run?: RunRecord): JournalDraft {
  const turnId = run?.turnId ?? turnOf(command, state);
  return {
    operation: OPERATIONS[command.event.kind],
    sessionId: state.session.sessionId,
    generation: state.session.generation,
    turnId,
    shown: command.fence,
    current: currentFence(state),
  };
}

function turnOf(command: WriteRunCommand, { session }: StandingKey): string {
  const { activeRun, lastRun } = session;
  if (activeRun?.runId === command.fence.runId) return activeRun.turnId;
  return lastRun?.runId === command.fence.runId ? lastRun.turnId : "";
}

/** A heartbeat that its run's own ending overtook on the way says nothing that anybody would look for. */
function refused(
  command: WriteRunCommand,
  { state, run }: WriteRunFacts,
  refusal: Refusal,
): Decision<never> {
  if (command.event.kind === "progress" && refusal.reason === "RUN_ENDED") return { refusal };
  const operation = OPERATIONS[command.event.kind];
  const journal = hasSession(state)
    ? draft(command, state, run)
    : { operation, shown: command.fence };
  return { refusal, journal };
}
