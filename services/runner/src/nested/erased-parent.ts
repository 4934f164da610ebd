import type { Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { notFound } from "@lanekeeper/rpc";
import type { RunnerDeps } from "../deps.ts";
import { nextErasures } from "../erasing/list-erasures.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { ChildTurn } from "../store/nested/child-turns.ts";

/**
 * What was given away in a conversation that is erased is not told in the one that has begun since. The note of it
 * goes with the turn that gave it away; until then the list of erasures tells, which is asked where that turn's
 * session does not stand any more.
 * @throws NOT_FOUND
 */
export async function refuseErasedParent(
  deps: Pick<RunnerDeps, "db" | "identity">,
  { tenant, parentTurnId }: ChildTurn,
  session: Pick<SessionRef, "sessionKey" | "generation">,
): Promise<void> {
  const parent = await readTurn(deps.db, tenant, parentTurnId);
  if (parent === undefined) throw notFound("turn", parentTurnId);
  const { sessionKey, generation = parent.admittedGeneration } = parent;
  if (sessionKey === session.sessionKey && generation === session.generation) return;
  const isErased = (erasure: Erasure): boolean =>
    erasure.tenant === tenant &&
    erasure.keys.some(
      (key) => key.sessionKey === sessionKey && generation <= key.throughGeneration,
    );
  for (let after = ""; ; ) {
    const page = await nextErasures(deps, after);
    if (page.some(isErased)) throw notFound("turn", parentTurnId);
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.erasureId;
  }
}
