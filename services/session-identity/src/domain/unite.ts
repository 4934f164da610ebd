import type { Now } from "./decision.ts";
import { aliasEffects } from "./alias.ts";
import { hasSession, type KeyState, type StandingKey } from "./key-state.ts";
import { type ActEffects, decideMerge, NO_EFFECTS } from "./merge.ts";
import type { RunRecord } from "./records.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

/** A key and what is known of it, for uniting it with another. */
export interface Side {
  /** What names of this side lead to, before aliases. */
  readonly key: string;
  readonly row: KeyState | undefined;
  /** The row that `row` leads to, or itself. */
  readonly standing: KeyState | undefined;
  readonly activeRun: RunRecord | undefined;
  /** Rows that lead to `key`. */
  readonly keyPointers: readonly KeyState[];
  /** Rows that lead to the standing row. */
  readonly standingPointers: readonly KeyState[];
}

export interface UniteFacts {
  readonly now: Now;
  /** Where names of both sides lead from now on. */
  readonly stays: Side;
  readonly goes: Side;
  /** Given two sessions, which survives; undefined: nobody can tell. */
  readonly survivor: (a: StandingKey, b: StandingKey) => StandingKey | undefined;
  /** As of a merge. */
  readonly absorbs: number;
  readonly note: string;
}

export interface United {
  readonly effects: ActEffects;
  readonly merged: { readonly sessionKey: string; readonly survivorSessionKey: string } | undefined;
}

/**
 * Two names turn out to be one. The one session that exists is what both lead to; of two, one is merged
 * into the other if it is clear which, else ALIAS_CONFLICT until an operator merges.
 */
export function decideUnite(facts: UniteFacts): United | Refusal {
  const { stays, goes } = facts;
  const { standing: here } = stays;
  const { standing: there } = goes;
  const nothing = { effects: NO_EFFECTS, merged: undefined };
  if (stays.key === goes.key || !hasSession(there)) return nothing;
  if (!hasSession(here)) return leadTo(facts, there);
  if (here.sessionKey === there.sessionKey) return nothing;
  const survivor = facts.survivor(here, there);
  if (survivor === undefined) return twoSessions(here, there);
  return merge(facts, survivor, survivor === here ? goes : stays);
}

function leadTo({ stays, note }: UniteFacts, target: StandingKey): United | Refusal {
  const { row } = stays;
  if (row === undefined) throw new Error("the key that stays is made before it is locked");
  if (row.aliasOf !== undefined) {
    return refuse("ALIAS_CONFLICT", "the key is an alias already", {
      session_key: row.sessionKey,
      leads_to: row.aliasOf,
    });
  }
  return { effects: aliasEffects(row, target, stays.keyPointers, note), merged: undefined };
}

function twoSessions(a: StandingKey, b: StandingKey): Refusal {
  return refuse("ALIAS_CONFLICT", "both have sessions; an operator has to say which survives", {
    session_key: a.sessionKey,
    other_session_key: b.sessionKey,
  });
}

function merge(facts: UniteFacts, survivor: StandingKey, losing: Side): United | Refusal {
  const loser = losing.standing;
  const effects = decideMerge({
    now: facts.now,
    loser,
    survivor,
    activeRun: losing.activeRun,
    note: facts.note,
    loserKey: loser?.sessionKey ?? losing.key,
    survivorKey: survivor.sessionKey,
    pointers: losing.standingPointers,
    interruptActiveRun: false,
    absorbs: facts.absorbs,
  });
  if (isRefusal(effects)) return effects;
  const merged = {
    sessionKey: loser?.sessionKey ?? losing.key,
    survivorSessionKey: survivor.sessionKey,
  };
  return { effects, merged };
}
