import { LanekeeperError } from "@lanekeeper/rpc";
import { agentOf, type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import type { KeyState } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";
import { connectedKeys } from "../store/keys/connected-keys.ts";
import type { Tx } from "../store/db.ts";
import { lockKeys, nameOf } from "../store/keys/lock-keys.ts";
import { makeKeys } from "../store/keys/make-keys.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";

/** The keys that an act is about were connected otherwise once they were locked: begin again. */
export class ConnectionsChanged extends Error {
  override readonly name = "ConnectionsChanged";
}

/** Rows of an act, locked until its transaction ends. */
export interface LockedKeys {
  row(key: string): KeyState | undefined;
  /** The row that a key leads to, or its own. */
  standing(key: string): KeyState | undefined;
  /** Rows that lead to a key. */
  pointers(key: string): readonly KeyState[];
}

/**
 * Locks keys with all that they lead to and all that leads to them, in key order as the engine does. What
 * is connected is read before the lock, and once more after it.
 */
export async function lockConnected(
  tx: Tx,
  tenant: string,
  keys: readonly CanonicalKey[],
): Promise<LockedKeys> {
  const names = await connected(tx, tenant, keys);
  const rows = await lockKeys(
    tx,
    names.map((sessionKey) => ({ tenant, sessionKey })),
  );
  const locked = new Set(names);
  const now = await connected(tx, tenant, keys);
  if (now.some((key) => !locked.has(key))) throw new ConnectionsChanged();
  const all = [...rows.values()];
  const row = (key: string) => rows.get(nameOf(tenant, key));
  return {
    row,
    standing: (key) => {
      const own = row(key);
      const target = own?.aliasOf ?? own?.movedTo;
      return target === undefined ? own : row(target);
    },
    pointers: (key) => all.filter(({ aliasOf, movedTo }) => (aliasOf ?? movedTo) === key),
  };
}

async function connected(
  tx: Tx,
  tenant: string,
  keys: readonly CanonicalKey[],
): Promise<readonly CanonicalKey[]> {
  const limit = LIMITS.maxAliasesPerKey;
  const names = await connectedKeys(tx, tenant, keys, limit + 1);
  if (names.length <= limit) return names;
  throw new LanekeeperError("QUOTA", `more than ${limit} keys lead to one another`, {
    metadata: { limit: String(limit) },
    retryAfterMs: LIMITS.quotaRetryMs,
  });
}

/** Makes the rows of keys that do not exist yet, so that they can be locked; none of the form of minted keys. */
export async function makeRows(
  tx: Tx,
  writes: BatchWrites,
  tenant: string,
  keys: readonly CanonicalKey[],
  source: string,
): Promise<void> {
  const makable = [...new Set(keys)].filter((key) => mintedAtMs(key) === undefined);
  const wanted = makable.map((sessionKey) => ({
    tenant,
    sessionKey,
    agentId: agentOf(sessionKey),
    source,
    ruleSetVersion: writes.ruleSetVersion,
  }));
  const made = await makeKeys(tx, wanted, LIMITS.maxKeysPerTenant);
  for (const owner of made) writes.madeKey(owner);
}
