import type { IdentityContext } from "../context.ts";
import { type Erasure, hasReturned } from "../domain/erasure.ts";
import { LIMITS } from "../limits.ts";
import type { Tx } from "../store/db.ts";
import { removedErasures } from "../store/erasures/read-erasures.ts";
import { isBoundSince } from "../store/erasures/bound-names.ts";
import { forgetKeys } from "../store/erasures/forget-keys.ts";
import { endErasure, lockErasure } from "../store/erasures/write-erasures.ts";
import { act } from "./act.ts";
import { lockConnected } from "./locked-keys.ts";

/**
 * Ends the erasures of which runner and delivery have nothing any more: key and names go, unless somebody came
 * back. One that fails holds up no other. Gives how many ended.
 */
export async function endErasures(context: IdentityContext, signal: AbortSignal): Promise<number> {
  let ended = 0;
  for (const { tenant, erasureId } of await removedErasures(context.db, LIMITS.erasuresAtOnce)) {
    if (signal.aborted) break;
    try {
      const end = await act(context, (tx) => endOne(tx, context, tenant, erasureId));
      if (end === "kept" || end === "gone") {
        ended += 1;
        context.log.info(
          { tenant, erasure_id: erasureId, names: end },
          "a conversation was erased",
        );
      }
    } catch (err) {
      context.log.warn({ err, tenant, erasure_id: erasureId }, "an erasure did not end");
    }
  }
  return ended;
}

/** `kept`: somebody came back, so key and names stay. `ended`: another replica was first. */
type End = "kept" | "gone" | "ended";

async function endOne(
  tx: Tx,
  { replica }: IdentityContext,
  tenant: string,
  erasureId: string,
): Promise<End> {
  const erasure = await lockErasure(tx, tenant, erasureId);
  if (erasure === undefined || erasure.endMs !== undefined) return "ended";
  const going = await lockGoing(tx, erasure);
  if (going !== undefined) await forgetKeys(tx, tenant, going, replica.usageShard);
  await endErasure(tx, erasure, going === undefined);
  return going === undefined ? "kept" : "gone";
}

/** The key with what leads to it, locked; undefined: somebody came back, or another name leads there by now. */
async function lockGoing(tx: Tx, erasure: Erasure) {
  const own = erasure.keys[0]?.sessionKey;
  if (own === undefined) return undefined;
  const keys = await lockConnected(tx, erasure.tenant, [own]);
  const state = keys.row(own);
  if (hasReturned(erasure, state)) return undefined;
  if (await isBoundSince(tx, erasure, own)) return undefined;
  const erased = new Set(erasure.keys.map(({ sessionKey }) => sessionKey));
  const leading = keys.pointers(own).map(({ sessionKey }) => sessionKey);
  return leading.every((key) => erased.has(key)) ? [own, ...leading] : undefined;
}
