import { type Ending, endingWithoutReply } from "../domain/ending.ts";
import { toldBy } from "../domain/transcript.ts";
import type { TurnStateName } from "../domain/turn-state.ts";
import { takesSeedOfSeen } from "../answering/seeds.ts";
import { freeSteers, settleSteers } from "../store/answering/steer.ts";
import { discardPrepared, endHeld } from "../store/runs/end-unanswered.ts";
import { readRun } from "../store/runs/prepare.ts";
import { stateIn } from "../store/state-in.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import { stoppedEnding } from "./forced-ending.ts";
import { prepareEnding } from "./prepare-ending.ts";
import type { EndingRun, TurnExit } from "./turn-exit.ts";

/** A run that holds a turn. */
type Holding = Pick<EndingRun, "turn" | "runId">;

/** Makes an ending that is stored the turn's. */
export async function makeVisible(
  deps: RunnerDeps,
  run: Holding & Pick<EndingRun, "chunk">,
  ending: Ending,
): Promise<TurnExit> {
  const told = toldBy(run.turn, ending);
  const chunk = run.chunk();
  const { tenant, sessionKey, turnId, turnClass } = run.turn;
  const held = { tenant, sessionKey, turnId, runId: run.runId, turnClass };
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

/** Ends a held turn that leaves nothing. */
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
export async function isStillHeld(
  deps: RunnerDeps,
  turn: StoredTurn,
  runId: string,
): Promise<boolean> {
  const { rowCount } = await deps.db.query(
    `SELECT FROM turns WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "QUEUED", "ACTIVE")}`,
    [turn.tenant, turn.turnId, runId],
  );
  return rowCount > 0;
}

/**
 * Ends a held turn of whose run session-identity takes no ending. Whoever has the key now: what was said to the turn
 * stands in the transcript of the session that it ran in, and no answer does.
 */
export async function endWithInput(
  deps: RunnerDeps,
  run: Holding & Pick<EndingRun, "endedStreamSeq">,
  state: "FAILED" | "INTERRUPTED",
  error: { readonly reason: string; readonly message: string },
): Promise<TurnExit> {
  const held = heldBy(run);
  const begun = await persist(deps, "read a run", () => readRun(deps.db, held));
  if (begun === undefined) return endAs(deps, run, state, error.reason, error.message);
  // An ending of its own that was refused.
  await persist(deps, "discard an ending", () => discardPrepared(deps.db, held));
  const seeds = await takesSeedOfSeen(deps, run.turn, begun.sessionId);
  return endUnheard(deps, run, endingWithoutReply(state, error, { keepsInput: true, seeds }));
}

async function endUnheard(
  deps: RunnerDeps,
  run: Holding & Pick<EndingRun, "endedStreamSeq">,
  ending: Ending,
): Promise<TurnExit> {
  const { endedStreamSeq } = run;
  const prepared = await prepareEnding(deps, { held: heldBy(run), ending, endedStreamSeq });
  if (prepared.kind === "stopped") {
    return endUnheard(deps, run, stoppedEnding(prepared, ending.seeds));
  }
  // An answer that somebody stored meanwhile under the same run has no right to be told.
  if (prepared.kind !== "stored" || prepared.ending.state === "COMPLETED") return { kind: "lost" };
  return makeVisible(deps, { ...run, chunk: () => undefined }, prepared.ending);
}

export function heldBy({ turn, runId }: Pick<EndingRun, "turn" | "runId">) {
  return { tenant: turn.tenant, sessionKey: turn.sessionKey, turnId: turn.turnId, runId };
}
