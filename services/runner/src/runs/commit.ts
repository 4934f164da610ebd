import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Ending } from "../domain/ending.ts";
import { LIMITS } from "../limits.ts";
import { releaseClaim } from "../store/lanes/claim-head.ts";
import { discardPrepared, requeue } from "../store/runs/end-unanswered.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import { endAs, endWithInput, heldBy, isStillHeld, makeVisible } from "./end-turn.ts";
import { stoppedEnding } from "./forced-ending.ts";
import { prepareEnding } from "./prepare-ending.ts";
import type { EndingRun, Left, TurnExit } from "./turn-exit.ts";
import { type EndingVerdict, outcomeOf, writeEnding } from "./write-ending.ts";

/** A message was handed to the turn and is unread: the model gets another step. */
export interface Steered {
  readonly kind: "steered";
}

const LOST: TurnExit = { kind: "lost" };

const MERGED = "the key was merged into another";

/**
 * The three steps of a turn's end: stored as prepared, accepted by session-identity, made visible.
 * A crash between any two is repaired by whoever finds the turn, from what is stored.
 */
export async function commit(
  deps: RunnerDeps,
  run: EndingRun,
  ending: Ending,
  giveUp?: Pick<AbortSignal, "aborted">,
): Promise<TurnExit | Steered> {
  const { endedStreamSeq, isSpent = false } = run;
  const held = heldBy(run);
  const prepared = await prepareEnding(deps, { held, ending, endedStreamSeq, isSpent });
  switch (prepared.kind) {
    case "stored":
      return carryThrough(deps, run, prepared.ending, giveUp);
    case "stopped":
      return commit(deps, run, stoppedEnding(prepared, ending.seeds), giveUp);
    case "steered":
      return prepared;
    case "lost":
      return LOST;
  }
}

/** Steps two and three, of an ending that is stored. */
export async function carryThrough(
  deps: RunnerDeps,
  run: EndingRun,
  ending: Ending,
  giveUp?: Pick<AbortSignal, "aborted">,
): Promise<TurnExit> {
  const { errorReason, errorMessage, inputTokens, outputTokens } = ending;
  const outcome = outcomeOf(ending);
  const told = { outcome, errorReason, errorMessage, inputTokens, outputTokens };
  const verdict = await writeEnding(deps, run.fence, told, run.turn, giveUp);
  if (verdict === "accepted") return makeVisible(deps, run, ending);
  return refused(deps, run, verdict);
}

/** What becomes of a held turn whose run session-identity refuses. */
export async function refused(
  deps: RunnerDeps,
  run: Pick<EndingRun, "turn" | "runId" | "endedStreamSeq">,
  verdict: Exclude<EndingVerdict, "accepted">,
): Promise<TurnExit> {
  switch (verdict) {
    case "superseded":
      return endAs(deps, run, "SUPERSEDED", "SUPERSEDED", "the session was rotated under the turn");
    case "moved":
      return endWithInput(deps, run, "INTERRUPTED", {
        reason: "TURN_INTERRUPTED",
        message: MERGED,
      });
    case "ended_otherwise":
      return giveBack(deps, run, ENDED_OTHERWISE);
    case "taken_over":
      return LOST;
    case "unreachable":
      return { kind: "left" };
  }
}

const ENDED_OTHERWISE: Left = {
  outcome: RunOutcome.UNSPECIFIED,
  errorReason: "RUN_ENDED",
  because: "session-identity had ended it, as it does where a lease runs out",
  isSpared: false,
};

/** Back to the queue, at the old place; a turn that has had all its runs fails. */
export async function giveBack(
  deps: RunnerDeps,
  run: Pick<EndingRun, "turn" | "runId" | "endedStreamSeq">,
  left: Left,
): Promise<TurnExit> {
  const held = heldBy(run);
  const done = await persist(deps, "give a turn back", async () => {
    await discardPrepared(deps.db, held);
    if (await requeue(deps.db, held, left)) return true;
    // An activation that a database lost when it died left the turn a claim.
    return releaseClaim(deps.db, held);
  });
  if (done) return { kind: "requeued", left };
  if (!(await isStillHeld(deps, run.turn, run.runId))) return LOST;
  const message = noRunEnded(left.because);
  return endWithInput(deps, run, "FAILED", { reason: "INTERNAL", message });
}

/** What is told of a turn that has had all its runs. */
export function noRunEnded(why: string): string {
  return `${LIMITS.runsPerTurn} runs of the turn began and none of them ended; the last one: ${why}`;
}
