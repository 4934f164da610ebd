import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Ending } from "../domain/ending.ts";
import type { Grant } from "./grant.ts";
import { commit, giveBack, refused, type Steered } from "./commit.ts";
import type { Left, TurnExit } from "./turn-exit.ts";
import type { RunnerDeps } from "../deps.ts";
import type { LocalRun } from "./local-runs.ts";
import { abortCauseOf } from "./run-abort.ts";
import type { JobOptions } from "../answering/job-options.ts";
import { writeEnding } from "./write-ending.ts";

/** Brings the turn to its end, or gives it back. `isSpent`: its model is asked no more. */
export async function leave(
  deps: RunnerDeps,
  { claimed, grant }: Pick<JobOptions, "claimed" | "grant">,
  ending: Ending | undefined,
  isSpent: boolean,
): Promise<TurnExit | Steered> {
  const { turn, run, stored } = claimed;
  await stored.settle();
  const endedStreamSeq = stored.stream.nextSeq;
  const { runId } = run;
  const { fence } = grant;
  if (ending !== undefined) {
    const chunk = onceOnly(() => stored.stream.takePending());
    const held = { turn, runId, fence, endedStreamSeq, chunk, isSpent };
    return commit(deps, held, ending, new UnlessDraining(run));
  }
  const ended = { turn, runId, fence, endedStreamSeq };
  const cause = abortCauseOf(run.signal);
  switch (cause?.kind) {
    case "superseded":
      return refused(deps, ended, "superseded");
    case "moved":
      return refused(deps, ended, "moved");
    case "lease_over":
      return giveBack(deps, ended, LEASE_OVER);
    case "draining":
      return handBack(deps, ended, grant, run.signal, DRAINING);
    case "store_gone":
      return handBack(deps, ended, grant, run.signal, STORE_GONE);
    default:
      return { kind: "lost" };
  }
}

/** An ending that is stored is repeated until it is answered, unless the process is to end. */
class UnlessDraining {
  readonly #signal: AbortSignal;

  constructor({ signal }: LocalRun) {
    this.#signal = signal;
  }

  get aborted(): boolean {
    return abortCauseOf(this.#signal)?.kind === "draining";
  }
}

/** The statement that carries the chunk may be sent several times. */
function onceOnly<T>(take: () => T): () => T {
  let taken: { readonly value: T } | undefined;
  return () => (taken ??= { value: take() }).value;
}

const LEASE_OVER: Left = {
  outcome: RunOutcome.UNSPECIFIED,
  errorReason: "",
  because: "session-identity renewed its lease no more in time",
  isSpared: false,
};

const DRAINING: Left = {
  outcome: RunOutcome.REQUEUED,
  errorReason: "DRAINING",
  because: "the replica is shutting down",
  isSpared: true,
};

const STORE_GONE: Left = {
  outcome: RunOutcome.REQUEUED,
  errorReason: "STORE_UNAVAILABLE",
  because: "the runner's database could not be asked",
  isSpared: false,
};

/**
 * Ends the run and gives its turn back, so that a successor need not wait for the lease. Where all of the installation
 * is shut down, nobody can be told: then it waits, but the run is no dead one, which would count against the turn.
 */
async function handBack(
  deps: RunnerDeps,
  run: Parameters<typeof giveBack>[1],
  grant: Grant,
  signal: AbortSignal,
  left: Left,
): Promise<TurnExit> {
  const { outcome, errorReason, because: errorMessage } = left;
  const ended = { outcome, errorReason, errorMessage, inputTokens: 0n, outputTokens: 0n };
  const verdict = await writeEnding(deps, grant.fence, ended, run.turn, signal);
  const isOver = verdict === "accepted" || (verdict === "unreachable" && left.isSpared);
  if (isOver) return giveBack(deps, run, left);
  return refused(deps, run, verdict);
}
