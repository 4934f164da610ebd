import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Fence } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Ending } from "../domain/ending.ts";
import type { TurnStateName } from "../domain/turn-state.ts";
import { toldBy } from "../domain/transcript.ts";
import { LIMITS } from "../limits.ts";
import { releaseClaim } from "../store/lanes/claim-head.ts";
import { discardPrepared, endHeld, requeue } from "../store/runs/end-unanswered.ts";
import { stateIn } from "../store/state-in.ts";
import { freeSteers, settleSteers } from "../store/answering/steer.ts";
import type { EventChunk } from "../store/attaching/turn-events.ts";
import type { LaneTurn, StoredTurn } from "../store/turn-row.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import { stoppedEnding } from "./forced-ending.ts";
import { prepareEnding } from "./prepare-ending.ts";
import { type EndingVerdict, outcomeOf, writeEnding } from "./write-ending.ts";

/** A run that ends its turn: its own, or one that its successor carries through. */
export interface EndingRun {
  readonly turn: LaneTurn;
  readonly runId: string;
  readonly fence: Fence;
  /** Told, and not yet stored. */
  readonly chunk: () => EventChunk | undefined;
  /** The number of the last event. */
  readonly endedStreamSeq: bigint;
  /** Its model is asked no more. */
  readonly isSpent?: boolean;
}

/** How a turn left its run. */
export type TurnExit =
  /** The ending that was prepared is the turn's. */
  | {
      readonly kind: "committed";
      readonly ending: Ending;
      readonly isRouted: boolean;
      /** Turns that wait in the lane; undefined: not known. */
      readonly depth: number | undefined;
    }
  /** The turn ended without an answer of its own. */
  | {
      readonly kind: "ended";
      readonly state: TurnStateName;
      readonly errorReason: string;
      readonly errorMessage: string;
    }
  /** Another run of the turn will go on. */
  | { readonly kind: "requeued" }
  /** The turn is somebody else's. */
  | { readonly kind: "lost" }
  /** Session-identity could not be asked before the process ended; a successor carries it through. */
  | { readonly kind: "left" };

/** A message was handed to the turn and is unread: the model gets another step. */
export interface Steered {
  readonly kind: "steered";
}

const LOST: TurnExit = { kind: "lost" };

/**
 * The three steps of a turn's end: stored as prepared, accepted by session-identity, made visible.
 * A crash between any two is repaired by whoever finds the turn, from what is stored.
 */
export async function commit(
  deps: RunnerDeps,
  run: EndingRun,
  ending: Ending,
  giveUp?: AbortSignal,
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
  giveUp?: AbortSignal,
): Promise<TurnExit> {
  const { errorReason, errorMessage, inputTokens, outputTokens } = ending;
  const outcome = outcomeOf(ending);
  const told = { outcome, errorReason, errorMessage, inputTokens, outputTokens };
  const verdict = await writeEnding(deps, run.fence, told, run.turn, giveUp);
  if (verdict === "accepted") return makeVisible(deps, run, ending);
  return refused(deps, run, verdict);
}

async function makeVisible(deps: RunnerDeps, run: EndingRun, ending: Ending): Promise<TurnExit> {
  const told = toldBy(run.turn, ending);
  const chunk = run.chunk();
  const held = { ...heldBy(run), turnClass: run.turn.turnClass };
  if (ending.state !== "COMPLETED") await free(deps, run);
  const finished = await persist(deps, "finish a turn", () =>
    deps.steps.finish({ held, ending, told, chunk }),
  );
  // Nothing to do: a successor has done the same from the same stored ending.
  const freed = finished?.hasSteers === true ? await settle(deps, run) : 0;
  return {
    kind: "committed",
    ending,
    isRouted: finished?.isRouted ?? false,
    depth: finished === undefined ? undefined : finished.depth + freed,
  };
}

function free(deps: RunnerDeps, run: Pick<EndingRun, "turn" | "runId">): Promise<void> {
  return persist(deps, "free steers", () => freeSteers(deps.db, heldBy(run)));
}

/** The messages that the turn was handed are answered with it, or are turns again. */
function settle(deps: RunnerDeps, run: Pick<EndingRun, "turn" | "runId">): Promise<number> {
  return persist(deps, "settle steers", () => settleSteers(deps.db, heldBy(run)));
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
      return endAs(deps, run, "INTERRUPTED", "TURN_INTERRUPTED", "the key was merged into another");
    case "ended_otherwise":
      return giveBack(deps, run, RunOutcome.UNSPECIFIED, "RUN_ENDED");
    case "taken_over":
      return LOST;
    case "unreachable":
      return { kind: "left" };
  }
}

export async function endAs(
  deps: RunnerDeps,
  run: Pick<EndingRun, "turn" | "runId" | "endedStreamSeq">,
  state: TurnStateName,
  errorReason: string,
  errorMessage: string,
): Promise<TurnExit> {
  const { endedStreamSeq, turn, runId } = run;
  const end = { ...heldBy(run), state, errorReason, errorMessage, endedStreamSeq };
  await free(deps, run);
  const done = await persist(deps, "end a turn", () => endHeld(deps.db, end, runId));
  if (done === undefined && (await isStillHeld(deps, turn, runId))) {
    throw new Error(`turn ${turn.turnId} cannot end as ${state}`);
  }
  if (done?.hasSteers === true) await settle(deps, run);
  return { kind: "ended", state, errorReason, errorMessage };
}

/** Repeats find the turn ended; only a turn that is held and does not end is a defect. */
async function isStillHeld(deps: RunnerDeps, turn: StoredTurn, runId: string): Promise<boolean> {
  const { rowCount } = await deps.db.query(
    `SELECT FROM turns WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "QUEUED", "ACTIVE")}`,
    [turn.tenant, turn.turnId, runId],
  );
  return rowCount > 0;
}

/** Back to the queue, at the old place; a turn that has had all its runs fails. */
export async function giveBack(
  deps: RunnerDeps,
  run: Pick<EndingRun, "turn" | "runId" | "endedStreamSeq">,
  outcome: number,
  errorReason: string,
): Promise<TurnExit> {
  const held = heldBy(run);
  const done = await persist(deps, "give a turn back", async () => {
    await discardPrepared(deps.db, held);
    if (await requeue(deps.db, held, { outcome, errorReason })) return true;
    // An activation that a database lost when it died left the turn a claim.
    return releaseClaim(deps.db, held);
  });
  if (done) return { kind: "requeued" };
  if (!(await isStillHeld(deps, run.turn, run.runId))) return LOST;
  return endAs(deps, run, "FAILED", "INTERNAL", noRunEnded(LIMITS.runsPerTurn));
}

/** What is told of a turn that has had all its runs. */
export function noRunEnded(runs: number): string {
  return `${runs} runs of the turn began and none of them ended`;
}

function heldBy({ turn, runId }: Pick<EndingRun, "turn" | "runId">) {
  return { tenant: turn.tenant, sessionKey: turn.sessionKey, turnId: turn.turnId, runId };
}
