import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { LanekeeperError } from "@lanekeeper/rpc";
import { isUnavailable } from "@lanekeeper/postgres";
import type { Ending } from "../domain/ending.ts";
import type { Begun } from "../store/runs/activate.ts";
import { releaseClaim } from "../store/lanes/claim-head.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import { Answering } from "../answering/answer.ts";
import type { Grant } from "./grant.ts";
import { begin } from "./begin.ts";
import type { TurnExit } from "./turn-exit.ts";
import { endAs } from "./end-turn.ts";
import type { RunnerDeps } from "../deps.ts";
import { Heartbeat } from "./heartbeat.ts";
import { failedEnding, stoppedEnding } from "./forced-ending.ts";
import type { JobOptions } from "../answering/job-options.ts";
import { jobFor, readEarly } from "../answering/job.ts";
import { takesSeed } from "../answering/seeds.ts";
import { leave } from "./leave.ts";
import type { LocalRun } from "./local-runs.ts";
import { persist } from "../persist.ts";
import { Progress, progressOf } from "./progress.ts";
import { type AbortCause, abortCauseOf, RunAborted } from "./run-abort.ts";
import type { Collaborators } from "../collaborators.ts";
import { endedAs, endedBy } from "../attaching/turn-ended.ts";
import { callFor, inTurnSpan, tracedParts } from "../turn-fields.ts";
import { writeEnding } from "./write-ending.ts";
import type { Claimed } from "./claimed.ts";

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
  const traced = tracedParts(parts, turn);
  return inTurnSpan("runner.run", turn, run.runId, () => attempt(traced, claimed));
}

async function attempt(parts: Collaborators, claimed: Claimed): Promise<AfterRun> {
  const { deps } = parts;
  const { turn, run } = claimed;
  const result = await begin(parts, turn, run);
  switch (result.kind) {
    case "granted":
      return enter(parts, claimed, result.grant);
    case "busy":
      await release(deps, claimed);
      return { kind: "later", ms: result.retryAfterMs };
    case "moved":
      if (turn.requiredGeneration !== 0n) return refuse(parts, claimed, generationGone(turn));
      return { kind: "moved" };
    case "spent":
      run.log.info({ reason: result.error.reason }, "the run id is spent; another is minted");
      await release(deps, claimed);
      return { kind: "next" };
    case "lost":
      await release(deps, claimed);
      return { kind: "next" };
    case "refused":
      return refuse(parts, claimed, result.error);
  }
}

/** The run has not begun, and does not: the turn waits for another. */
async function release(deps: RunnerDeps, { turn, run }: Claimed): Promise<void> {
  await persist(deps, "release a claim", () =>
    releaseClaim(deps.db, { ...turn, runId: run.runId }),
  );
}

/** A merge led the key elsewhere. The survivor's generation may have the same number, and is another. */
function generationGone({ requiredGeneration }: StoredTurn): LanekeeperError {
  const message = `the turn asks for generation ${requiredGeneration} of a key that was merged into another`;
  return new LanekeeperError("GENERATION_MISMATCH", message);
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
  const { sessionId, generation } = sessionOf(grant);
  const granted = {
    sessionId,
    generation,
    tenant: turn.tenant,
    sessionKey: turn.sessionKey,
    turnId: turn.turnId,
    runId: run.runId,
    runEpoch: grant.fence.runEpoch,
    replica: deps.replica,
    model: grant.model,
  };
  const early = readEarly(parts, claimed, grant);
  const begun = await persist(deps, "activate a turn", () => deps.steps.activate(granted));
  if (begun === undefined) {
    await abandonKey(deps, claimed, grant);
    return { kind: "next" };
  }
  const exit = await lead(parts, claimed, grant, begun, early);
  // Whoever is accepted into an empty, free lane claims it in passing.
  const isEmpty = exit.kind === "committed" && exit.depth === 0;
  return { kind: isEmpty ? "done" : "next" };
}

/**
 * Gives a granted key back without having run, since the turn is not this run's any more, or, with an error, is
 * not to be run again: the key must not wait for the lease.
 */
export async function abandonKey(
  deps: RunnerDeps,
  { turn, run }: Pick<Claimed, "turn" | "run">,
  grant: Grant,
  error?: { readonly reason: string; readonly message: string },
): Promise<void> {
  const ended = {
    outcome: error === undefined ? RunOutcome.REQUEUED : RunOutcome.FAILED,
    errorReason: error?.reason ?? "",
    errorMessage: error?.message ?? "",
    inputTokens: 0n,
    outputTokens: 0n,
  };
  await writeEnding(deps, grant.fence, ended, turn, run.signal);
}

/** Runs a turn that is active under this run, and ends it. */
export async function lead(
  parts: Collaborators,
  claimed: Claimed,
  grant: Grant,
  begun: Begun,
  early: JobOptions["early"],
): Promise<TurnExit> {
  const { deps, runs } = parts;
  const { turn, run, stored } = claimed;
  const startedMs = deps.clock.monotonicMs();
  run.generation = sessionOf(grant).generation;
  const abort = (cause: AbortCause): void => runs.abort(run.runId, cause);
  const { leaseUntilMs } = grant;
  const heartbeat = new Heartbeat(deps, { run, grant, call: callFor(turn), leaseUntilMs, abort });
  const progress = new Progress(deps, progressOf(turn, sessionOf(grant)));
  stored.stream.begin(begun.ordinal);
  if (begun.ordinal === 1) {
    deps.metrics.waited((deps.clock.now().getTime() - turn.acceptTime.getTime()) / 1_000);
  }
  if (begun.stop !== undefined) abort({ kind: "stopped", stop: begun.stop, note: begun.stopNote });
  let exit: TurnExit = { kind: "lost" };
  try {
    exit = await answerAndLeave(parts, { claimed, grant, begun, heartbeat, early });
  } finally {
    progress.stop();
    await heartbeat.stop();
    tell(claimed, grant, exit);
    report(deps, claimed, exit, startedMs);
  }
  if (exit.kind === "committed" && exit.isRouted)
    parts.relay.kick(turn.tenant, turn.sessionKey, turn);
  return exit;
}

/** Answers until an ending stands; a message handed to the turn too late makes another step. */
async function answerAndLeave(parts: Collaborators, options: JobOptions): Promise<TurnExit> {
  const { turn, run } = options.claimed;
  const parentSessionId = options.grant.session?.parentSessionId ?? "";
  let seeds = (): Promise<boolean> =>
    takesSeed(parts.deps, turn, { ...sessionOf(options.grant), parentSessionId });
  let answering: Answering | undefined;
  for (;;) {
    const ending = await endingOf(
      parts,
      run,
      () => seeds(),
      async () => {
        if (answering !== undefined) return answering.next();
        const job = await jobFor(parts, options);
        seeds = async () => job.seeds;
        answering = new Answering(job);
        return answering.next();
      },
    );
    const exit = await leave(parts.deps, options, ending, answering?.isSpent ?? false);
    if (exit.kind !== "steered") return exit;
  }
}

/** The answer, or the ending that stands for its failure; undefined: the run was aborted otherwise. */
async function endingOf(
  { deps, runs }: Pick<Collaborators, "deps" | "runs">,
  run: LocalRun,
  seeds: () => Promise<boolean>,
  work: () => Promise<Ending>,
): Promise<Ending | undefined> {
  try {
    const ending = await work();
    run.signal.throwIfAborted();
    return ending;
  } catch (error) {
    // A tool's step has found that the turn is another run's, before a heartbeat did.
    if (error instanceof RunAborted) runs.abort(run.runId, error.abortCause);
    const cause = abortCauseOf(run.signal);
    if (cause?.kind === "stopped") return stoppedEnding(cause, await seeds());
    if (cause !== undefined) return undefined;
    if (isUnavailable(error)) {
      run.log.warn({ err: error }, "the store cannot be reached; the turn is given back");
      runs.abort(run.runId, { kind: "store_gone" });
      return undefined;
    }
    return failedEnding(deps, run, error, { keepsInput: true, seeds: await seeds() });
  }
}

function tell({ turn, run, stored }: Claimed, grant: Grant, exit: TurnExit): void {
  const { sessionId, generation } = sessionOf(grant);
  const seen = { runId: run.runId, sessionId, generation };
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
  const because = whyNot(exit, end);
  const fields = { exit: exit.kind, state, reason, because, duration_ms: Math.round(ms) };
  // A shutdown's is as it should be.
  const isTrouble = exit.kind === "requeued" ? !exit.left.isSpared : reason === "INTERNAL";
  run.log[isTrouble ? "warn" : "info"](fields, "run ended");
}

/** Why the turn has no answer by this run, where it is not by somebody's wish. */
function whyNot(
  exit: TurnExit,
  end: { readonly state: string; readonly errorMessage: string } | undefined,
): string | undefined {
  if (exit.kind === "requeued") return exit.left.because;
  return end?.state === "FAILED" ? end.errorMessage : undefined;
}

function sessionOf({ fence }: Grant): { readonly sessionId: string; readonly generation: bigint } {
  return { sessionId: fence.session?.sessionId ?? "", generation: fence.session?.generation ?? 0n };
}
