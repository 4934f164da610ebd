import type { Refusal } from "./refusal.ts";
import { refuse } from "./refusal.ts";

/** When a run id was minted, in ms since 1970: the first 48 bits of a UUIDv7 (RFC 9562). Others tell nothing. */
export function mintedMs(runId: string): number | undefined {
  if (runId[14] !== "7") return undefined;
  return Number.parseInt(runId.slice(0, 8) + runId.slice(9, 13), 16);
}

/**
 * A run id that nobody knows here may have begun in what a restore from backup has lost. Since fences were
 * raised only one that was minted from `runIdsFromMs` on is surely new; the metadata tells, so that the next
 * one can be minted for that time, whatever the minter's clock says.
 */
export function perhapsBegun(runId: string, runIdsFromMs: number | undefined): Refusal | undefined {
  if (runIdsFromMs === undefined || (mintedMs(runId) ?? 0) >= runIdsFromMs) return undefined;
  const message =
    "this run id may have begun before the fences were raised; mint a UUIDv7 of later";
  return refuse("RUN_ENDED", message, {
    run_id: runId,
    run_ids_from: new Date(runIdsFromMs).toISOString(),
  });
}
