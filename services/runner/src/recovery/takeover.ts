import type { Fence } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { hasReason } from "@lanekeeper/rpc";
import { type Ending, endingWithoutReply, RUN_ENDINGS } from "../domain/ending.ts";
import { cancelledText, INTERRUPTED_TEXT } from "../domain/stop-text.ts";
import { firstStreamSeq } from "../domain/stream-seq.ts";
import { LIMITS } from "../limits.ts";
import { takeOver } from "../store/runs/activate.ts";
import { releaseClaim } from "../store/lanes/claim-head.ts";
import { discardPrepared } from "../store/runs/end-unanswered.ts";
import { takesSeedOfSeen } from "../answering/seeds.ts";
import { readSession } from "../store/answering/sessions.ts";
import { readRun, type StoredRun } from "../store/runs/prepare.ts";
import type { Grant } from "../runs/grant.ts";
import { begin, type BeginResult } from "../runs/begin.ts";
import { carryThrough, noRunEnded, refused } from "../runs/commit.ts";
import { endWithInput, makeVisible } from "../runs/end-turn.ts";
import type { EndingRun, TurnExit } from "../runs/turn-exit.ts";
import { persist } from "../persist.ts";
import { prepareEnding } from "../runs/prepare-ending.ts";
import type { Claimed } from "../runs/claimed.ts";
import type { OpenRun } from "../runs/open-runs.ts";
import { abandonKey, lead } from "../runs/run-turn.ts";
import type { LaneTurn } from "../store/turn-row.ts";
import type { Collaborators } from "../collaborators.ts";
import { learnSession } from "../answering/session-parents.ts";
import { callFor } from "../turn-fields.ts";
import { writeEnding } from "../runs/write-ending.ts";

/** A turn whose run has not renewed for a lease. */
const NOT_HEARD_OF = "its replica was not heard of for a lease";

export interface DeadTurn {
  readonly turn: LaneTurn;
  readonly deadRunId: string;
}

/** What a successor needs besides: a run of its own, opened only once the key is asked for. */
export type Successor = (turn: LaneTurn) => Promise<OpenRun>;

/**
 * Goes on where a dead run stopped. A stored ending is repeated and carried through: it may have been
 * accepted, and the model is not asked again. Without one the turn is run anew, and changes hands only
 * after session-identity has granted the key. True: the lane may have a new head.
 */
export async function takeOverTurn(
  parts: Collaborators,
  dead: DeadTurn,
  openRun: Successor,
): Promise<boolean> {
  const { deps } = parts;
  const { turn, deadRunId } = dead;
  if (turn.state === "QUEUED") {
    // Claimed and never active: should it have been granted after all, its activation will fail.
    const held = { ...turn, runId: deadRunId };
    return persist(deps, "release a dead claim", () => releaseClaim(deps.db, held));
  }
  const run = await readRun(deps.db, { ...turn, runId: deadRunId });
  if (run === undefined) throw new Error(`the active turn ${turn.turnId} has no run`);
  const exit = (await finishDead(parts, dead, run)) ?? (await runAnew(parts, dead, run, openRun));
  if (exit.kind === "committed" && exit.isRouted)
    parts.relay.kick(turn.tenant, turn.sessionKey, turn);
  return exit.kind === "committed" || exit.kind === "ended" || exit.kind === "requeued";
}

/** Ends the turn under the dead run's own right, where it had an ending or was told to stop. */
async function finishDead(
  parts: Collaborators,
  { turn, deadRunId }: DeadTurn,
  run: StoredRun,
): Promise<TurnExit | undefined> {
  const { deps } = parts;
  const held = { ...turn, runId: deadRunId };
  const endedStreamSeq = firstStreamSeq(run.ordinal + 1) - 1n;
  const isStored = turn.preparedRunId === deadRunId;
  const fitting = isStored ? run.ending : await endingOfStopped(deps, turn, run);
  if (fitting === undefined) return undefined;
  const prepared = isStored
    ? ({ kind: "stored", ending: fitting } as const)
    : await prepareEnding(deps, { held, ending: fitting, endedStreamSeq });
  if (prepared.kind !== "stored") return { kind: "lost" };
  const { ending } = prepared;
  const fence = fenceOf(turn, deadRunId, run);
  const told = { ...ending, outcome: RUN_ENDINGS[ending.state] };
  const verdict = await writeEnding(deps, fence, told, turn);
  const ended: EndingRun = {
    turn,
    runId: deadRunId,
    fence,
    chunk: () => undefined,
    endedStreamSeq,
  };
  if (verdict === "accepted") {
    deps.metrics.tookOver("ending repeated");
    return carryThrough(deps, ended, ending);
  }
  if (verdict === "superseded" || verdict === "moved") return refused(deps, ended, verdict);
  // What was said to it stands, whoever has the key now. An answer that its run stored meanwhile does not.
  if (!isStored && ending.state !== "COMPLETED") return makeVisible(deps, ended, ending);
  await persist(deps, "discard an ending", () => discardPrepared(deps.db, held));
  return isStored ? undefined : { kind: "lost" };
}

/** The ending of a turn that was told to stop: undefined where it was not. */
async function endingOfStopped(
  deps: Collaborators["deps"],
  turn: LaneTurn,
  { sessionId }: StoredRun,
): Promise<Ending | undefined> {
  if (turn.stop === undefined) return undefined;
  const seeds = await takesSeedOfSeen(deps, turn, sessionId);
  const keep = { keepsInput: turn.stop !== "rolled_back", seeds };
  if (turn.stop === "cancelled") {
    const message = cancelledText(turn.stopNote);
    return endingWithoutReply("CANCELLED", { reason: "TURN_CANCELLED", message }, keep);
  }
  const error = { reason: "TURN_INTERRUPTED", message: INTERRUPTED_TEXT };
  return endingWithoutReply("INTERRUPTED", error, keep);
}

async function runAnew(
  parts: Collaborators,
  dead: DeadTurn,
  run: StoredRun,
  openRun: Successor,
): Promise<TurnExit> {
  const { deps } = parts;
  const { turn, deadRunId } = dead;
  const endedStreamSeq = firstStreamSeq(run.ordinal + 1) - 1n;
  const before = { turn, runId: deadRunId, endedStreamSeq };
  if (await isRotatedAway(parts, turn, fenceOf(turn, deadRunId, run))) {
    return refused(deps, before, "superseded");
  }
  const claimed = await openRun(turn);
  try {
    // What it requires of the generation was checked when it began; what is granted is checked below.
    const again = { ...turn, runId: deadRunId, requiredGeneration: 0n };
    const result = await begin(parts, again, claimed.run);
    if (result.kind === "granted") {
      if (turn.runCount - turn.sparedRuns >= LIMITS.runsPerTurn) {
        return await giveUp(deps, before, claimed, result.grant);
      }
      return await enterAnew(parts, dead, run, claimed, result.grant);
    }
    return await notGranted(parts, before, result);
  } finally {
    await claimed.close();
  }
}

async function notGranted(
  { deps }: Collaborators,
  before: Parameters<typeof refused>[1],
  result: Exclude<BeginResult, { readonly kind: "granted" }>,
): Promise<TurnExit> {
  if (result.kind === "moved") return refused(deps, before, "moved");
  if (result.kind !== "refused") return { kind: "lost" };
  const { reason, message } = result.error;
  // It was active in a generation whose turns may start no more.
  const isRotated = reason === "TURN_SKIPPED" || reason === "GENERATION_MISMATCH";
  return isRotated
    ? refused(deps, before, "superseded")
    : endWithInput(deps, before, "FAILED", { reason, message });
}

/**
 * A turn that has had all its runs fails. The last of them may live, though nobody was told so for a lease: only
 * who is granted the key knows that it does not.
 */
async function giveUp(
  deps: Collaborators["deps"],
  before: Parameters<typeof refused>[1],
  claimed: Claimed,
  grant: Grant,
): Promise<TurnExit> {
  const error = { reason: "INTERNAL", message: noRunEnded(NOT_HEARD_OF) };
  await abandonKey(deps, claimed, grant, error);
  return endWithInput(deps, before, "FAILED", error);
}

async function enterAnew(
  parts: Collaborators,
  { turn, deadRunId }: DeadTurn,
  old: StoredRun,
  claimed: Claimed,
  grant: Grant,
): Promise<TurnExit> {
  const { deps } = parts;
  const session = grant.fence.session;
  if (!(await mayGoOn(parts, { turn, deadRunId }, old, grant))) {
    await abandonKey(deps, claimed, grant);
    const endedStreamSeq = firstStreamSeq(old.ordinal + 1) - 1n;
    return refused(deps, { turn, runId: deadRunId, endedStreamSeq }, "superseded");
  }
  const granted = {
    tenant: turn.tenant,
    sessionKey: turn.sessionKey,
    turnId: turn.turnId,
    runId: claimed.run.runId,
    sessionId: session?.sessionId ?? "",
    generation: session?.generation ?? 0n,
    runEpoch: grant.fence.runEpoch,
    replica: deps.replica,
    model: grant.model,
  };
  const begun = await persist(deps, "take a turn over", () =>
    takeOver(deps.db, granted, deadRunId),
  );
  if (begun === undefined) {
    await abandonKey(deps, claimed, grant);
    return { kind: "lost" };
  }
  deps.metrics.tookOver("run again");
  claimed.run.log.warn({ dead_run_id: deadRunId, run: begun.ordinal }, "took a turn over");
  await lead(parts, claimed, grant, begun, undefined);
  return { kind: "requeued", left: { because: NOT_HEARD_OF, isSpared: false } };
}

/**
 * Whether the turn may go on in the generation that it was granted now: the one that it ran in, the one
 * that its dead run had just made by compaction, or one that this very grant rolled over to.
 */
async function mayGoOn(
  { deps }: Collaborators,
  { turn, deadRunId }: DeadTurn,
  old: StoredRun,
  { fence: { session }, session: granted, rolledOver }: Grant,
): Promise<boolean> {
  if (session === undefined || session.generation <= old.generation) return true;
  if (rolledOver) return turn.requiredGeneration === 0n;
  await learnSession(deps, turn.tenant, granted, callFor(turn));
  const seen = await readSession(deps.db, turn.tenant, session.sessionId);
  return session.generation === old.generation + 1n && seen?.compactedByRunId === deadRunId;
}

/** A run that somebody rotated away ends its turn, dead or alive. */
async function isRotatedAway(
  { deps }: Collaborators,
  turn: LaneTurn,
  fence: Fence,
): Promise<boolean> {
  try {
    await deps.identity.checkFence({ writer: { case: "run", value: fence } }, callFor(turn));
    return false;
  } catch (error) {
    return hasReason(error, "STALE_GENERATION");
  }
}

function fenceOf(turn: LaneTurn, runId: string, run: StoredRun): Fence {
  const { sessionId, generation, runEpoch } = run;
  return {
    $typeName: "lanekeeper.identity.v1.Fence",
    session: {
      $typeName: "lanekeeper.identity.v1.SessionRef",
      sessionKey: turn.sessionKey,
      sessionId,
      generation,
    },
    runId,
    runEpoch,
  };
}
