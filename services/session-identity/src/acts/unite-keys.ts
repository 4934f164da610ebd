import type { CanonicalKey } from "@lanekeeper/session-key";
import type { StandingKey } from "../domain/key-state.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { decideUnite, type Side, type United } from "../domain/unite.ts";
import { anyStanding } from "../store/keys/connected-keys.ts";
import type { Tx } from "../store/db.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import { type Actor, applyAct, lookUpRuns } from "./act.ts";
import { ConnectionsChanged, type LockedKeys, lockConnected, makeRows } from "./locked-keys.ts";
import { overQuota } from "./register-alias.ts";

export interface UniteCommand {
  /** Where the names lead from now on. */
  readonly stays: CanonicalKey;
  readonly goes: CanonicalKey;
  /** Given two sessions and the time, which survives. */
  readonly survivor: (a: StandingKey, b: StandingKey, nowMs: number) => StandingKey | undefined;
  /** As of a merge. */
  readonly absorbs: number;
  readonly note: string;
}

export interface UnitedKeys {
  readonly merged: United["merged"];
  /** The key whose session the names lead to now; the one that stays where there is none. */
  readonly leadsTo: string;
  readonly nowMs: number;
}

/** Sees to it that the names of two keys lead to one session. */
export async function uniteKeys(
  tx: Tx,
  writes: BatchWrites,
  actor: Actor,
  command: UniteCommand,
): Promise<UnitedKeys | Refusal> {
  const { stays, goes, absorbs, note } = command;
  const { tenant } = actor;
  const leadsOn = await makeRowsToUnite(tx, writes, tenant, stays, [goes]);
  const keys = await lockConnected(tx, tenant, [stays, goes]);
  const runIds = [stays, goes].map((key) => keys.standing(key)?.session?.activeRun?.runId);
  const { now, runs } = await lookUpRuns(tx, tenant, runIds);
  const sides = [stays, goes].map((key, index) => sideOf(keys, key, runs[index]));
  const [staying, going] = sides;
  if (staying === undefined || going === undefined) throw new Error("two keys have two sides");
  if (going.row === undefined && stays !== goes) return overQuota();
  if (staying.row === undefined && going.standing?.session !== undefined) {
    if (leadsOn) return overQuota();
    throw new ConnectionsChanged();
  }
  const survivor = (a: StandingKey, b: StandingKey) => command.survivor(a, b, now.ms);
  const united = decideUnite({ now, stays: staying, goes: going, survivor, absorbs, note });
  if (isRefusal(united)) return united;
  applyAct(writes, actor, now.ms, united.effects);
  return { merged: united.merged, leadsTo: leadsTo(united, staying, going), nowMs: now.ms };
}

/**
 * Makes the rows that are to be locked, in one go and so in key order. Those of the keys that go are needed
 * even where nobody stands there: a row that is not there cannot be locked, and a first contact that is
 * under way would open a session under a key that no name leads to once this commits. The key that stays
 * needs one where it has to lead to a session of the others; gives whether it has to.
 */
export async function makeRowsToUnite(
  tx: Tx,
  writes: BatchWrites,
  tenant: string,
  stays: CanonicalKey,
  going: readonly CanonicalKey[],
): Promise<boolean> {
  const goes = going.filter((key) => key !== stays);
  const leadsOn = await anyStanding(tx, tenant, goes);
  await makeRows(tx, writes, tenant, leadsOn ? [stays, ...goes] : goes, "unite");
  return leadsOn;
}

function sideOf(keys: LockedKeys, key: CanonicalKey, activeRun: Side["activeRun"]): Side {
  const standing = keys.standing(key);
  return {
    key,
    row: keys.row(key),
    standing,
    activeRun,
    keyPointers: keys.pointers(key),
    standingPointers: standing === undefined ? [] : keys.pointers(standing.sessionKey),
  };
}

function leadsTo({ merged }: United, stays: Side, goes: Side): string {
  if (merged !== undefined) return merged.survivorSessionKey;
  if (stays.standing?.session !== undefined) return stays.standing.sessionKey;
  return goes.standing?.session === undefined ? stays.key : goes.standing.sessionKey;
}
