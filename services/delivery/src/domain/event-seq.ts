/** `sending` is shown again when an accepted one has grown old; so often in one attempt at most. */
export const FENCES_PER_ATTEMPT = 7;

const SEQS_PER_ATTEMPT = FENCES_PER_ATTEMPT + 1;

/** The event_seq of an attempt's `sending`. Both count from 1. No other event of the reply has it. */
export function sendingSeq(attempt: number, showing: number): bigint {
  return BigInt(SEQS_PER_ATTEMPT * (attempt - 1) + showing);
}

/** The event_seq of an attempt's `settled`: above all its `sending`s, below the next attempt's. */
export function settledSeq(attempt: number): bigint {
  return BigInt(SEQS_PER_ATTEMPT * attempt);
}
