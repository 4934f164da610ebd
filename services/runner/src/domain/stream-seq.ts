/**
 * Events reach those attached before they reach the database, so a replica that dies may have told
 * numbers that nobody stored. Each run therefore numbers its events from a base of its own, far above
 * whatever the run before it can have told.
 */
const GAP = 1_000_000_000n;

/** @param ordinal of the run within its turn, from 1. */
export function firstStreamSeq(ordinal: number): bigint {
  return BigInt(ordinal - 1) * GAP + 1n;
}

/** No event has a number above it, however often a turn is given back and run anew. */
export const MAX_STREAM_SEQ = 2n ** 62n;
