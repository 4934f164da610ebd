import { invalid } from "@lanekeeper/rpc";
import type { CanonicalKey } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { type ErasedKey, type Erasure, isSettledAt } from "../domain/erasure.ts";
import { type Refusal, refuse } from "../domain/refusal.ts";
import { LIMITS } from "../limits.ts";
import type { Tx } from "../store/db.ts";
import type { Holder } from "../store/erasures/read-erasures.ts";
import { lockErasure, setDoneBy, setErasedKeys } from "../store/erasures/write-erasures.ts";
import { readNowMs } from "../store/moments.ts";
import { act } from "./act.ts";

export interface ErasureReport {
  readonly tenant: string;
  readonly erasureId: string;
  readonly holder: Holder;
  /** Keys of tasks that were given away in the conversation. */
  readonly also: readonly ErasedKey[];
  readonly done: boolean;
}

/** Notes what a service has found and removed; what was noted before stays. Gives the erasure's id. */
export function reportErasure(
  context: IdentityContext,
  report: ErasureReport,
): Promise<string | Refusal> {
  const { tenant, erasureId, holder, also, done } = report;
  return act(context, async (tx) => {
    const erasure = await lockErasure(tx, tenant, erasureId);
    if (erasure === undefined) return noErasure(erasureId);
    if (erasure.endMs !== undefined) return erasureId;
    if (done) await checkMayBeDone(tx, erasure, holder);
    if (erasure.runnerMs === undefined) await addKeys(tx, erasure, also);
    if (done) await setDoneBy(tx, erasure, holder);
    return erasureId;
  });
}

function noErasure(erasureId: string): Refusal {
  return refuse("NOT_FOUND", "no such erasure", {
    resource_type: "erasure",
    resource_name: erasureId,
  });
}

/** @throws INVALID_REQUEST */
async function checkMayBeDone(tx: Tx, erasure: Erasure, holder: Holder): Promise<void> {
  const isSettled = isSettledAt(erasure, await readNowMs(tx));
  if (!isSettled) throw invalid("done", "what was under way may still come");
  if (holder === "delivery" && erasure.runnerMs === undefined) {
    throw invalid("done", "the runner may still find keys");
  }
}

/** The larger generation where a key is there already; more keys than are kept are left out. */
async function addKeys(tx: Tx, erasure: Erasure, also: readonly ErasedKey[]): Promise<void> {
  if (also.length === 0) return;
  const known = new Map<CanonicalKey, bigint>();
  for (const { sessionKey, throughGeneration } of erasure.keys)
    known.set(sessionKey, throughGeneration);
  for (const { sessionKey, throughGeneration } of also) {
    const before = known.get(sessionKey);
    if (before === undefined && known.size >= LIMITS.maxErasedKeys) continue;
    if (before === undefined || before < throughGeneration)
      known.set(sessionKey, throughGeneration);
  }
  const keys = [...known].map(([sessionKey, throughGeneration]) => ({
    sessionKey,
    throughGeneration,
  }));
  await setErasedKeys(tx, erasure, keys);
}
