import type { ErasedKey, Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import type { Limits } from "../limits.ts";
import { findHeld } from "../store/erasing/find-held.ts";
import { removeReplies } from "../store/erasing/remove-replies.ts";
import { removeRoutes } from "../store/erasing/remove-routes.ts";
import type { DeliveryDatabase } from "../store/sql.ts";

export interface EraseDeps {
  readonly db: DeliveryDatabase;
  readonly limits: Pick<Limits, "erasedPerStatement" | "comesBackMs">;
}

/** What one look at an erasure came to. */
export interface Looked {
  readonly replies: number;
  readonly routes: number;
  /** What has to go still. */
  readonly left: number;
}

/**
 * Removes what there is of a conversation, as far as it can go now.
 * @param ageMs how long ago the erasure was read, so that who came back since keeps the route
 */
export async function erase(
  deps: EraseDeps,
  erasure: Pick<Erasure, "tenant" | "keys" | "returned" | "settled">,
  ageMs: () => number,
  signal: AbortSignal,
): Promise<Looked> {
  const { tenant, keys } = erasure;
  const { erasedPerStatement: portion } = deps.limits;
  let all: Looked = { replies: 0, routes: 0, left: 0 };
  for (let from = 0; from < keys.length; from += portion) {
    const some = keys.slice(from, from + portion);
    const held = await findHeld(
      deps.db,
      tenant,
      some.map(({ sessionKey }) => sessionKey),
    );
    for (const key of some) {
      signal.throwIfAborted();
      if (held.has(key.sessionKey))
        all = sum(all, await eraseKey(deps, erasure, key, ageMs, signal));
    }
  }
  return all;
}

/**
 * Routes after replies, which may keep them. Nobody is known to have come back as of the time at which the erasure was
 * read; whoever did so since has registered the route later than that.
 */
async function eraseKey(
  { db, limits }: EraseDeps,
  { tenant, returned, settled }: Pick<Erasure, "tenant" | "returned" | "settled">,
  { sessionKey, throughGeneration }: ErasedKey,
  ageMs: () => number,
  signal: AbortSignal,
): Promise<Looked> {
  const { erasedPerStatement: limit, comesBackMs } = limits;
  const replies = await removeReplies(db, { tenant, sessionKey, throughGeneration }, limit, signal);
  // Who comes back in its five minutes has the route as it was: its id and secret are known elsewhere.
  if (returned || !settled) return { replies: replies.removed, routes: 0, left: replies.left };
  const quietMs = ageMs() + comesBackMs;
  const routes = await removeRoutes(db, { tenant, sessionKey, quietMs, limit });
  return {
    replies: replies.removed,
    routes: routes.removed,
    left: replies.left + routes.left,
  };
}

function sum(one: Looked, other: Looked): Looked {
  return {
    replies: one.replies + other.replies,
    routes: one.routes + other.routes,
    left: one.left + other.left,
  };
}
