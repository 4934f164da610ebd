import { busy } from "./begin-run.ts";
import { currentFence, type JournalDraft, type Now } from "./decision.ts";
import { keyMoved, noSession } from "./judge-run.ts";
import { hasSession, type KeyState, revised, type StandingKey, withSession } from "./key-state.ts";
import { leaseLeftMs } from "./lease.ts";
import type { RunRecord } from "./records.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

/** A row that an operator's act changed. */
export interface KeyChange {
  readonly state: KeyState;
  /** Set for what watchers are told as a merge. */
  readonly mergedInto?: string;
  /** Watchers are told of the state as it is now. */
  readonly isTold?: boolean;
}

/** What an act changes; several rows at once, each with its lines of the journal. */
export interface ActEffects {
  readonly changes: readonly KeyChange[];
  readonly runs: readonly RunRecord[];
  readonly journal: readonly { readonly sessionKey: string; readonly draft: JournalDraft }[];
}

export const NO_EFFECTS: ActEffects = { changes: [], runs: [], journal: [] };

export interface MergeFacts {
  readonly now: Now;
  readonly loserKey: string;
  readonly survivorKey: string;
  readonly loser: KeyState | undefined;
  readonly survivor: KeyState | undefined;
  /** The record of the run that holds the loser. */
  readonly activeRun: RunRecord | undefined;
  /** Rows that lead to the loser, as aliases or by an earlier merge. */
  readonly pointers: readonly KeyState[];
  readonly interruptActiveRun: boolean;
  /**
   * How many sessions a survivor remembers that it has absorbed, the last ones, this one included; 0: the loser
   * is no race that was lost, and what was said there stays there.
   */
  readonly absorbs: number;
  readonly note: string;
}

/**
 * Makes two conversations one: the loser is marked as moved, with its numbers as they are, since replies
 * that it committed are still judged by them; what led to it leads to the survivor, so that every
 * name is one hop from its session.
 */
export function decideMerge(facts: MergeFacts): ActEffects | Refusal {
  const pair = mayMerge(facts);
  if (isRefusal(pair)) return pair;
  const { loser, survivor } = pair;
  const moved = revised(
    withSession({ ...loser, movedTo: survivor.sessionKey }, { activeRun: undefined }),
  );
  const run = facts.activeRun;
  const draft = { operation: "merge", note: facts.note };
  return {
    changes: [
      { state: moved, mergedInto: survivor.sessionKey },
      ...facts.pointers.map((pointer) => repointed(pointer, survivor)),
      ...(facts.absorbs > 0 ? [{ state: absorbing(facts, survivor, loser), isTold: true }] : []),
    ],
    runs: run === undefined || run.state !== "active" ? [] : [{ ...run, state: "moved" }],
    journal: [about(loser, survivor, draft), about(survivor, survivor, draft)],
  };
}

function mayMerge(facts: MergeFacts): Refusal | { loser: StandingKey; survivor: StandingKey } {
  const { loser, survivor, now } = facts;
  if (!hasSession(loser)) return noSession(facts.loserKey, loser);
  if (!hasSession(survivor)) return noSession(facts.survivorKey, survivor);
  if (loser.movedTo !== undefined) return keyMoved(loser.sessionKey, loser.movedTo);
  if (survivor.movedTo !== undefined) return keyMoved(survivor.sessionKey, survivor.movedTo);
  if (loser.agentId !== survivor.agentId) {
    return refuse("AGENT_MISMATCH", "sessions of two agents cannot be merged", {
      agent_id: loser.agentId,
      survivor_agent_id: survivor.agentId,
    });
  }
  const { activeRun } = loser.session;
  const isHeld = activeRun !== undefined && leaseLeftMs(activeRun, now) > 0;
  return isHeld && !facts.interruptActiveRun
    ? heldLoser(loser, busy(activeRun, now))
    : { loser, survivor };
}

/** Who merges by a peer's name is told which key it is. */
function heldLoser({ sessionKey }: StandingKey, refusal: Refusal): Refusal {
  return { ...refusal, metadata: { ...refusal.metadata, session_key: sessionKey } };
}

/** What the loser itself had absorbed comes before it, since that is part of its transcript. */
function absorbing(
  { absorbs }: Pick<MergeFacts, "absorbs">,
  survivor: StandingKey,
  loser: StandingKey,
): KeyState {
  const { sessionId: intoSessionId } = survivor.session;
  const last = { sessionId: loser.session.sessionId, intoSessionId };
  const all = [...survivor.absorbed, ...loser.absorbed, last];
  return revised({ ...survivor, absorbed: all.slice(-absorbs) });
}

/** An alias leads elsewhere; an earlier merge is told once more, with where it leads now. */
function repointed(pointer: KeyState, survivor: StandingKey): KeyChange {
  const target = survivor.sessionKey;
  if (pointer.aliasOf !== undefined) return { state: { ...pointer, aliasOf: target } };
  if (!hasSession(pointer)) return { state: { ...pointer, movedTo: target } };
  return { state: revised({ ...pointer, movedTo: target }), mergedInto: target };
}

function about(state: StandingKey, survivor: StandingKey, draft: JournalDraft) {
  const { sessionId, generation } = state.session;
  return {
    sessionKey: state.sessionKey,
    draft: { ...draft, sessionId, generation, current: currentFence(survivor) },
  };
}
