import type { Effects, JournalDraft } from "./decision.ts";
import { type Erasure, erasedWith } from "./erasure.ts";
import { hasSession, type KeyState, type StandingKey, withSession } from "./key-state.ts";
import type { RunRecord } from "./records.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { decideRotate } from "./rotate.ts";

/** What stands under a key that is to be erased, read under its lock. */
export interface EraseFacts {
  readonly nowMs: number;
  readonly state: KeyState;
  /** Rows that lead to it, as aliases or by a merge. */
  readonly pointers: readonly KeyState[];
  /** The record of the run that holds the key. */
  readonly activeRun: RunRecord | undefined;
  /** Replies whose send is claimed and not settled. */
  readonly sendingCount: number;
  readonly erasureId: string;
  readonly newSessionId: string;
  readonly principal: string;
  readonly note: string;
}

/** The erasure that begins, and what changes with it. */
export interface Erasing {
  readonly erasure: Erasure;
  readonly effects: Effects;
  /** Keys that were merged into it, whose replies are judged by their own numbers: none goes out any more. */
  readonly silenced: readonly StandingKey[];
}

/**
 * Begins an erasure: the key is reset, as by anybody, so that nothing of what was said is gone on with, and marked as
 * one that goes. A name under which no session stands is only marked.
 */
export function decideErase(facts: EraseFacts): Erasing | Refusal {
  const { nowMs, state, pointers, erasureId, principal, note } = facts;
  const { tenant } = state;
  const reset = effectsOfReset(facts);
  if (isRefusal(reset)) return reset;
  return {
    erasure: {
      tenant,
      erasureId,
      keys: erasedWith(state, pointers),
      principal,
      note,
      createMs: nowMs,
      runnerMs: undefined,
      deliveryMs: undefined,
      endMs: undefined,
      returned: undefined,
      perhapsSentCount: facts.sendingCount,
    },
    effects: {
      ...reset,
      state: { ...(reset.state ?? state), erasureId },
      journal: [...(reset.journal ?? []), draftOf(state, note)],
    },
    silenced: pointers.filter(hasSession).map(silenced),
  };
}

function silenced(merged: StandingKey): StandingKey {
  return withSession(merged, { oldestDeliverable: merged.session.generation + 1n });
}

function effectsOfReset(facts: EraseFacts): Effects | Refusal {
  const { nowMs, state, activeRun, sendingCount, newSessionId, principal, note } = facts;
  if (!hasSession(state)) return {};
  const decision = decideRotate(
    {
      sessionKey: state.sessionKey,
      reason: "reset",
      precondition: { kind: "none" },
      queuedTurns: "skip",
      pendingReplies: "suppress",
      note,
      sourceSessionId: undefined,
      sourceThroughTurnId: "",
    },
    {
      nowMs,
      state,
      activeRun,
      sendingCount,
      newSessionId,
      principal,
      run: undefined,
      source: undefined,
    },
  );
  return "refusal" in decision ? decision.refusal : decision.effects;
}

function draftOf(state: KeyState, note: string): JournalDraft {
  if (!hasSession(state)) return { operation: "erase", note };
  const { sessionId, generation } = state.session;
  return { operation: "erase", sessionId, generation, note };
}
