import type { IdentityClient } from "@lanekeeper/client";
import { hasReason } from "@lanekeeper/rpc";
import type { Log } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";
import { forgetRoutesOf, type RoutedKey, takeKeysToLookAt } from "../store/routes/gone-keys.ts";
import type { DeliveryDatabase } from "../store/sql.ts";

export interface GoneKeysDeps {
  readonly db: DeliveryDatabase;
  readonly identity: Pick<IdentityClient, "getSession">;
  readonly log: Log;
  readonly limits: Pick<Limits, "lookAgainMs" | "keysLookedAt">;
}

/**
 * Routes of subagents go once session-identity has let their keys go, which no name leads to again. It is asked,
 * since a key that is used stays there, however old. While it is away nothing goes.
 */
export async function forgetGoneKeys(deps: GoneKeysDeps, signal: AbortSignal): Promise<void> {
  const { db, log, limits } = deps;
  let routes = 0;
  while (!signal.aborted) {
    const due = await takeKeysToLookAt(db, limits.keysLookedAt, limits.lookAgainMs);
    const gone = await Promise.all(due.map((key) => isGone(deps, key)));
    for (const [index, key] of due.entries()) {
      if (gone[index] === true) routes += await forgetRoutesOf(db, key);
    }
    if (due.length < limits.keysLookedAt) break;
  }
  if (routes > 0) log.info({ routes }, "routes of subagents went with their keys");
}

async function isGone(
  { identity }: GoneKeysDeps,
  { tenant, sessionKey: value }: RoutedKey,
): Promise<boolean> {
  try {
    await identity.getSession({ session: { case: "sessionKey", value } }, { tenant });
    return false;
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return true;
    throw error;
  }
}
