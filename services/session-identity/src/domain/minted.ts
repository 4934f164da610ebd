import { type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import { noSession } from "./judge-run.ts";
import type { Refusal } from "./refusal.ts";

/** Until when a new key stays at least; undefined: for ever. An id of a clock that is ahead tells a time to come. */
export function keptUntil(mintedMs: number | undefined, nowMs: number): number | undefined {
  if (mintedMs === undefined) return undefined;
  return Math.max(mintedMs, nowMs) + LIMITS.mintedRetentionMs;
}

/**
 * Why a first contact may not make this key. One of the form of minted keys is made by minting it alone, and not
 * once its id is so old that it may have stood here and gone: a name is given once.
 */
export function notToBeMade(key: CanonicalKey, mints: boolean, nowMs: number): Refusal | undefined {
  const mintedMs = mintedAtMs(key);
  if (mintedMs === undefined) return undefined;
  return mints && mintedMs >= nowMs - LIMITS.mintedMaxAgeMs ? undefined : noSession(key);
}
