import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { type Ending, endingWithoutReply } from "../domain/ending.ts";
import { ModelError } from "../models/model-error.ts";
import { activate, type Begun } from "../store/activate.ts";
import { releaseClaim } from "../store/claim-head.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import { answer } from "./answer.ts";
import { begin, type Grant } from "./begin.ts";
import { commit, endAs, giveBack, refused, type TurnExit } from "./commit.ts";
import type { RunnerDeps } from "./deps.ts";
import { Heartbeat } from "./heartbeat.ts";
import { jobFor } from "./job.ts";
import type { LocalRun } from "./local-runs.ts";
import { persist } from "./persist.ts";
import { type AbortCause, abortCauseOf } from "./run-abort.ts";
import type { Collaborators } from "./runner.ts";
import type { StoredStream } from "./stream-hub.ts";
import { endedAs, endedBy } from "./turn-ended.ts";
import { callFor, inTurnSpan } from "./turn-fields.ts";
import { writeEnding } from "./write-ending.ts";

/** A turn of a lane that this replica has claimed. */
export interface Claimed {
  readonly turn: StoredTurn & { readonly sessionKey: string };
  readonly run: LocalRun;
  readonly stored: StoredStream;
}

/** What the lane is to do next. */
export type AfterRun =
  /** Look at the new head. */
  | { readonly kind: "next" }
  /** Nobody waits. */
  | { readonly kind: "done" }
  /** The key is busy; look again later. */
  | { readonly kind: "later"; readonly ms: number }
  /** The key leads elsewhere. */
  | { readonly kind: "moved" };

/** One run of a claimed turn, from asking for the key to the turn's end, under the turn's own trace. */
export function runTurn(parts: Collaborators, claimed: Claimed): Promise<AfterRun> {
  const { turn, run } = claimed;
  return inTurnSpan("runner.run", turn, run.runId, () => attempt(parts, claimed));
}

async function attempt(parts: Collaborators, claimed: Claimed): Promise<AfterRun> {
  const { deps } = parts;
  const { turn, run } = claimed;
  const result = await begin(deps, turn, run.runId, run.signal);
  switch (result.kind) {
    case "granted":
      return enter(parts, claimed, result.grant);
    case "busy":
      await persist(deps, "release a claim", () =>
        releaseClaim(deps.db, { ...turn, runId: run.runId }),
      );
      return { kind: "later", ms: result.retryAfterMs };
    case "moved":
      return { kind: "moved" };
    case "lost":
      await persist(deps, "release a claim", () =>
        releaseClaim(deps.db, { ...turn, runId: run.runId }),
      );
      return { kind: "next" };
    case "refused":
      return refuse(parts, claimed, result.error);
  }
}

/** Session-identity will never grant this turn a run. */
async function refuse(
  { deps }: Collaborators,
  { turn, run, stored }: Claimed,
  error: { readonly reason: string; readonly message: string },
): Promise<AfterRun> {
  const state = error.reason === "TURN_SKIPPED" ? "SKIPPED" : "FAILED";
  const endedStreamSeq = stored.stream.nextSeq;
  await endAs(deps, { turn, runId: run.runId, endedStreamSeq }, state, error.reason, error.message);
  const seen = {
    runId: "",
    sessionId: turn.admittedSessionId,
    generation: turn.admittedGeneration,
  };
  const end = { state, errorReason: error.reason, errorMessage: error.message } as const;
  stored.stream.end({ case: "ended", value: endedAs(turn, seen, end) });
  run.log.info({ state, reason: error.reason }, "the turn may not run");
  deps.metrics.ended(state, error.reason);
  return { kind: "next" };
}

async function enter(parts: Collaborators, claimed: Claimed, grant: Grant): Promise<AfterRun> {
  const { deps } = parts;
  const { turn, run } = claimed;
  const session = sessionOf(grant);
  const granted = {
    ...session,
    tenant: turn.tenant,
    sessionKey: turn.sessionKey,
    turnId: turn.turnId,
    runId: run.runId,
    runEpoch: grant.fence.runEpoch,
    replica: deps.replica,
  };
  const begun = await persist(deps, "activate a turn", () => activate(deps.db, granted));
  if (begun === undefined) {
    await abandonKey(deps, claimed, grant);
    return { kind: "next" };
  }
  const exit = await lead(parts, claimed, grant, begun);
  // Whoever is accepted into an empty, free lane claims it in passing.
  const isEmpty = exit.kind === "committed" && exit.depth === 0;
  return { kind: isEmpty ? "done" : "next" };
}

/** The key was granted, but the turn is not this run's any more: the key must not wait for the lease. */
export async function abandonKey(
  deps: RunnerDeps,
  { turn, run }: Pick<Claimed, "turn" | "run">,
  grant: Grant,
): Promise<void> {
  const nothing = { errorReason: "", errorMessage: "", inputTokens: 0n, outputTokens: 0n };
  const ended = { ...nothing, outcome: RunOutcome.REQUEUED };
  await writeEnding(deps, grant.fence, ended, callFor(turn), run.signal);
}

/** Runs a turn that is active under this run, and ends it. */
export async function lead(
  parts: Collaborators,
  claimed: Claimed,
  grant: Grant,
  begun: Begun,
): Promise<TurnExit> {
  const { deps, runs } = parts;
  const { turn, run, stored } = claimed;
  const startedMs = deps.clock.monotonicMs();
  run.generation = sessionOf(grant).generation;
  const abort = (cause: AbortCause): void => runs.abort(run.runId, cause);
  const { fence, leaseUntilMs } = grant;
  const heartbeat = new Heartbeat(deps, { run, fence, call: callFor(turn), leaseUntilMs, abort });
  stored.stream.begin(begun.ordinal);
  if (begun.ordinal === 1) {
    deps.metrics.waited((deps.clock.now().getTime() - turn.acceptTime.getTime()) / 1_000);
  }
  if (begun.stop !== undefined) abort({ kind: "stopped", stop: begun.stop, note: begun.stopNote });
  let exit: TurnExit = { kind: "lost" };
  try {
    const ending = await endingOf(parts, claimed, grant, begun, heartbeat);
    exit = await leave(parts, claimed, grant, ending);
  } finally {
    await heartbeat.stop();
    tell(claimed, grant, exit);
    report(deps, claimed, exit, startedMs);
  }
  if (exit.kind === "committed" && exit.isRouted) parts.relay.kick(turn.tenant, turn.sessionKey);
  return exit;
}

/** The answer, or the ending that stands for its failure; undefined: the run was aborted otherwise. */
async function endingOf(
  parts: Collaborators,
  claimed: Claimed,
  grant: Grant,
  begun: Begun,
  heartbeat: Heartbeat,
): Promise<Ending | undefined> {
  const { run, turn } = claimed;
  let seeds = false;
  try {
    const job = await jobFor(parts, { claimed, grant, begun, heartbeat });
    seeds = job.seeds;
    const [ending] = await Promise.all([answer(job), heartbeat.started(job.model.name)]);
    run.signal.throwIfAborted();
    return ending;
  } catch (error) {
    const cause = abortCauseOf(run.signal);
    if (cause?.kind === "stopped") return stoppedEnding(cause, seeds);
    if (cause !== undefined) return undefined;
    return failedEnding(parts.deps, run, turn, error, seeds);
  }
}

function stoppedEnding(cause: AbortCause & { readonly kind: "stopped" }, seeds: boolean): Ending {
  const isCancelled = cause.stop === "cancelled";
  const reason = isCancelled ? "TURN_CANCELLED" : "TURN_INTERRUPTED";
  const message =
    cause.note || (isCancelled ? "the turn was cancelled" : "a later turn interrupted it");
  const state = isCancelled ? "CANCELLED" : "INTERRUPTED";
  const keepsInput = cause.stop !== "rolled_back";
  return endingWithoutReply(state, { reason, message }, { keepsInput, seeds });
}

function failedEnding(
  deps: RunnerDeps,
  run: LocalRun,
  turn: StoredTurn,
  error: unknown,
  seeds: boolean,
): Ending {
  const keep = { keepsInput: true, seeds };
  if (error instanceof ModelError) {
    run.log.warn({ err: error }, "the model gave no answer");
    return endingWithoutReply("FAILED", { reason: error.reason, message: error.message }, keep);
  }
  const errorId = deps.ids.uuid();
  run.log.error({ err: error, error_id: errorId, turn_id: turn.turnId }, "a run failed of itself");
  const message = `internal error; the log tells more under error_id ${errorId}`;
  return endingWithoutReply("FAILED", { reason: "INTERNAL", message }, keep);
}

/** Brings the turn to its end, or gives it back. */
async function leave(
  { deps }: Collaborators,
  { turn, run, stored }: Claimed,
  grant: Grant,
  ending: Ending | undefined,
): Promise<TurnExit> {
  await stored.settle();
  const endedStreamSeq = stored.stream.nextSeq;
  const ended = { turn, runId: run.runId, fence: grant.fence, endedStreamSeq };
  if (ending !== undefined) {
    const chunk = onceOnly(() => stored.stream.takePending());
    const exit = await commit(deps, { ...ended, chunk }, ending, giveUpOf(run));
    return exit;
  }
  const cause = abortCauseOf(run.signal);
  switch (cause?.kind) {
    case "superseded":
      return refused(deps, ended, "superseded");
    case "moved":
      return refused(deps, ended, "moved");
    case "lease_over":
      return giveBack(deps, ended, RunOutcome.UNSPECIFIED, "");
    case "draining":
      return drainOut(deps, ended, grant, run.signal);
    default:
      return { kind: "lost" };
  }
}

/** An ending that is stored is repeated until it is answered, unless the process is to end. */
function giveUpOf(run: LocalRun): AbortSignal {
  const controller = new AbortController();
  const check = (): void => {
    if (abortCauseOf(run.signal)?.kind === "draining") controller.abort();
  };
  if (run.signal.aborted) check();
  else run.signal.addEventListener("abort", check, { once: true });
  return controller.signal;
}

/** The statement that carries the chunk may be sent several times. */
function onceOnly<T>(take: () => T): () => T {
  let taken: { readonly value: T } | undefined;
  return () => (taken ??= { value: take() }).value;
}

/** So that a successor need not wait for the lease. */
async function drainOut(
  deps: RunnerDeps,
  run: Parameters<typeof giveBack>[1] & Parameters<typeof refused>[1],
  grant: Grant,
  signal: AbortSignal,
): Promise<TurnExit> {
  const ended = {
    outcome: RunOutcome.REQUEUED,
    errorReason: "DRAINING",
    errorMessage: "the replica is shutting down",
    inputTokens: 0n,
    outputTokens: 0n,
  };
  const verdict = await writeEnding(deps, grant.fence, ended, callFor(run.turn), signal);
  if (verdict === "accepted") return giveBack(deps, run, RunOutcome.REQUEUED, "DRAINING");
  return refused(deps, run, verdict);
}

function tell({ turn, run, stored }: Claimed, grant: Grant, exit: TurnExit): void {
  const seen = { runId: run.runId, ...sessionOf(grant) };
  if (exit.kind === "committed") {
    stored.stream.end({ case: "ended", value: endedBy(turn, seen, exit.ending) });
  }
  if (exit.kind === "ended") stored.stream.end({ case: "ended", value: endedAs(turn, seen, exit) });
}

function report(deps: RunnerDeps, { run }: Claimed, exit: TurnExit, startedMs: number): void {
  const ms = deps.clock.monotonicMs() - startedMs;
  const end = exit.kind === "committed" ? exit.ending : exit.kind === "ended" ? exit : undefined;
  const state = end?.state;
  const reason = end?.errorReason ?? "";
  deps.metrics.ran(state ?? exit.kind, ms / 1_000);
  if (state !== undefined) deps.metrics.ended(state, reason);
  run.log.info({ exit: exit.kind, state, reason, duration_ms: Math.round(ms) }, "run ended");
}

function sessionOf({ fence }: Grant): { readonly sessionId: string; readonly generation: bigint } {
  return { sessionId: fence.session?.sessionId ?? "", generation: fence.session?.generation ?? 0n };
}
