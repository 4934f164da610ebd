import { type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { decideAlias, decideRemoveAlias } from "../domain/alias.ts";
import { noSession } from "../domain/judge-run.ts";
import type { KeyState } from "../domain/key-state.ts";
import { holdsAllItMay } from "../domain/quota.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import type { Tx } from "../store/db.ts";
import { act, type Actor, applyAct, lookUpRuns } from "./act.ts";
import { lockConnected, makeRows } from "./locked-keys.ts";

/** Leads one key to another. Gives the alias' row. */
export function registerAlias(
  context: IdentityContext,
  actor: Actor,
  alias: CanonicalKey,
  target: CanonicalKey,
  note: string,
): Promise<KeyState | Refusal> {
  const { tenant } = actor;
  const work = async (tx: Tx, writes: BatchWrites) => {
    await makeRows(tx, writes, tenant, [alias, target], "alias");
    const keys = await lockConnected(tx, tenant, [alias, target]);
    const [from, to] = [keys.row(alias), keys.row(target)];
    if (from === undefined || to === undefined) return notMade(from === undefined ? alias : target);
    const effects = decideAlias({ alias: from, target: to, pointers: keys.pointers(alias), note });
    if (isRefusal(effects)) return effects;
    const { now } = await lookUpRuns(tx, tenant, []);
    applyAct(writes, actor, now.ms, effects);
    return { ...from, aliasOf: target };
  };
  return act(context, work, { actor, operation: "register_alias", keys: [alias, target] });
}

function notMade(key: CanonicalKey): Refusal {
  return mintedAtMs(key) === undefined ? overQuota() : noSession(key);
}

/** A key that an act needs could not be made. */
export function overQuota(): Refusal {
  return holdsAllItMay("keys");
}

/** Gives where the alias led; empty where it was none. */
export function removeAlias(
  context: IdentityContext,
  actor: Actor,
  alias: CanonicalKey,
  note: string,
): Promise<string | Refusal> {
  const { tenant } = actor;
  return act(context, async (tx, writes) => {
    const keys = await lockConnected(tx, tenant, [alias]);
    const { previous, effects } = decideRemoveAlias(keys.row(alias), note);
    const { now } = await lookUpRuns(tx, tenant, []);
    applyAct(writes, actor, now.ms, effects);
    return previous ?? "";
  });
}
