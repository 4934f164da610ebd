import { hasReason } from "@lanekeeper/rpc";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";
import { forgetMintedKey, type MintedKey, takeDueMintedKeys } from "../store/nested/minted-keys.ts";

type MintedDeps = Pick<RunnerDeps, "db" | "identity" | "log">;

/**
 * Lanes of subagents go once session-identity has let their keys go, which no name leads to again. It is asked,
 * since a key that is used stays there, however old. While it is away nothing goes.
 */
export async function forgetMintedKeys(deps: MintedDeps, isStopped: () => boolean): Promise<void> {
  const { db, log } = deps;
  const { mintedPageKeys, mintedPages, mintedAgainMs } = LIMITS;
  let keys = 0;
  for (let page = 0; page < mintedPages && !isStopped(); page += 1) {
    const due = await takeDueMintedKeys(db, mintedPageKeys, mintedAgainMs);
    const gone = await Promise.all(due.map((key) => isGone(deps, key)));
    for (const [index, key] of due.entries()) {
      if (gone[index] === true && (await forgetMintedKey(db, key))) keys += 1;
    }
    if (due.length < mintedPageKeys) break;
  }
  if (keys > 0) log.info({ keys }, "lanes of subagents went with their keys");
}

async function isGone(
  { identity }: MintedDeps,
  { tenant, sessionKey: value }: MintedKey,
): Promise<boolean> {
  try {
    await identity.getSession({ session: { case: "sessionKey", value } }, { tenant });
    return false;
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return true;
    throw error;
  }
}
