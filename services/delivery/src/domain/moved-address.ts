/** What is known of a conversation's id. */
export interface KnownAddress {
  readonly address: string;
  /** The id that stands for it; its own: this one does. */
  readonly currentAddress: string;
  /** Since when, as the platform tells it; 0: nobody has said so. */
  readonly sinceMs: number;
}

/**
 * What is known of both ids once the platform has said that `from` became `to`. Undefined: nothing new, since this was
 * told before, or `from` has stood, or gone elsewhere, later than that. The id that stands never leads on, so
 * that no chain of moves closes: where a conversation gets an old id back, that one stands again.
 * @param atMs undefined: now, later than all that was said before. What is said to be of tomorrow is of now, or it
 * would be the last word until then.
 */
export function moved(
  from: KnownAddress,
  to: KnownAddress,
  atMs: number | undefined,
  nowMs: number,
): readonly [KnownAddress, KnownAddress] | undefined {
  const sinceMs =
    atMs === undefined ? Math.max(nowMs, from.sinceMs + 1, to.sinceMs + 1) : Math.min(atMs, nowMs);
  const isGone = from.currentAddress !== from.address;
  if (from.sinceMs > sinceMs || (isGone && from.sinceMs === sinceMs)) return undefined;
  const standing =
    to.sinceMs > sinceMs ? to : { address: to.address, currentAddress: to.address, sinceMs };
  if (standing.currentAddress === from.address) return undefined;
  return [{ ...standing, address: from.address }, standing];
}
