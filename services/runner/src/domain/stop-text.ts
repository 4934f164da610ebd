/**
 * What the caller of a stopped turn, its journal and its trace are told: first what became of the turn,
 * then the note of whoever stopped it, where there is one.
 */
export function cancelledText(note: string): string {
  return note === "" ? "the turn was cancelled" : `the turn was cancelled: ${note}`;
}

/** Whoever interrupts says no more than that. */
export const INTERRUPTED_TEXT = "a later turn interrupted it";
