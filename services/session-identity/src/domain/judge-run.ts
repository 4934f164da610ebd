import { type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import { currentFence } from "./decision.ts";
import { hasSession, type KeyState, type StandingKey } from "./key-state.ts";
import type { Fence, RunRecord } from "./records.ts";
import { type CauseQuery, type Refusal, refuse } from "./refusal.ts";

/**
 * May the run that shows this fence write now? It may when (run_id, run_epoch) is the row's active
 * run and its generation is one that this run has held: any other rotation would have ended it.
 */
export function judgeRun(
  state: KeyState | undefined,
  run: RunRecord | undefined,
  shown: Fence,
): Refusal | StandingKey {
  if (!hasSession(state)) return noSession(shown.sessionKey, state);
  return isCurrent(state, shown) ? state : whyNot(state, ownRecord(run, shown), shown);
}

function isCurrent(state: StandingKey, shown: Fence): boolean {
  const { activeRun, generation, sessionId } = state.session;
  if (activeRun?.runId !== shown.runId || activeRun.epoch !== shown.runEpoch) return false;
  if (shown.generation < activeRun.beginGeneration || shown.generation > generation) return false;
  return shown.generation < generation || shown.sessionId === sessionId;
}

/** A run id that began under another key says nothing about this one. */
function ownRecord(run: RunRecord | undefined, shown: Fence): RunRecord | undefined {
  return run?.sessionKey === shown.sessionKey ? run : undefined;
}

/** The reason that a run is told, by what became of its right. */
export function whyNot(state: StandingKey, run: RunRecord | undefined, shown: Fence): Refusal {
  if (run?.state === "ended") return runEnded(run);
  if (state.movedTo !== undefined) return keyMoved(state.sessionKey, state.movedTo);
  if (run?.state === "taken_over") return takenOver(state);
  if (run?.staleGeneration !== undefined)
    return staleGeneration(state, { into: run.staleGeneration });
  return shown.generation === state.session.generation
    ? takenOver(state)
    : staleGeneration(state, { after: shown.generation });
}

/** The recorded outcome stands in the metadata. */
export function runEnded(run: RunRecord): Refusal {
  const { ending } = run;
  return refuse("RUN_ENDED", `the run has ended: ${ending?.outcome ?? "unknown"}`, {
    run_id: run.runId,
    turn_id: run.turnId,
    outcome: (ending?.outcome ?? "").toUpperCase(),
    error_reason: ending?.errorReason ?? "",
  });
}

export function staleGeneration(state: StandingKey, causeQuery: CauseQuery): Refusal {
  const current = currentFence(state);
  return {
    ...refuse("STALE_GENERATION", "the session was rotated; this writer's right has ended", {
      generation: String(current.generation),
      session_id: current.sessionId,
    }),
    stale: { current, causeQuery },
  };
}

export function takenOver(state: StandingKey): Refusal {
  const current = currentFence(state);
  return {
    ...refuse("TAKEN_OVER", "the key is not this run's, or no longer", {
      run_id: current.runId,
      run_epoch: String(current.runEpoch),
      generation: String(current.generation),
    }),
    stale: { current },
  };
}

export function keyMoved(key: string, survivor: string): Refusal {
  return refuse("KEY_MOVED", "the key was merged into another", {
    session_key: key,
    survivor_session_key: survivor,
  });
}

const MINTED_GONE =
  "no session stands under this key: one that is made for a task goes 30 days after its last use, and its name is not given again";

/** An alias has no session of its own; the metadata tells where it leads. */
export function noSession(key: string, state?: KeyState): Refusal {
  const leads = state?.aliasOf === undefined ? {} : { alias_of: state.aliasOf };
  const isMinted = mintedAtMs(key as CanonicalKey) !== undefined;
  return refuse("NOT_FOUND", isMinted ? MINTED_GONE : "no session stands under this key", {
    resource_type: "session",
    resource_name: key,
    ...leads,
  });
}

/** @param expected a generation, or a session id */
export function generationMismatch(state: StandingKey, expected: bigint | string): Refusal {
  const { sessionId, generation } = state.session;
  const stands = typeof expected === "bigint" ? `generation ${generation}` : `session ${sessionId}`;
  return refuse(
    "GENERATION_MISMATCH",
    `${stands} stands under the key, the call expects ${expected}`,
    { session_id: sessionId, generation: String(generation), expected: String(expected) },
  );
}
