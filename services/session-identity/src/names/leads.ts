import {
  isBound,
  isKeyRefusal,
  isKeyWithin,
  type KeyBounds,
  parseCanonicalKey,
} from "@lanekeeper/session-key";
import type { KeyState } from "../domain/key-state.ts";
import type { Refusal } from "../domain/refusal.ts";

/**
 * Whether a key's session was merged into one that a credential may not reach. Of such a session it is told that
 * it is gone, and never where it went: that is another key's name.
 */
export function leadsOut({ movedTo }: Pick<KeyState, "movedTo">, bounds: KeyBounds): boolean {
  return movedTo !== undefined && !isKeyWithin(movedTo, bounds);
}

/** The same refusal, less the keys in its metadata that lie outside the bounds: where a name leads, or who stands there. */
export function withinBounds(refusal: Refusal, bounds: KeyBounds): Refusal {
  if (!isBound(bounds)) return refusal;
  const told = Object.entries(refusal.metadata).filter(
    ([, value]) => isKeyRefusal(parseCanonicalKey(value)) || isKeyWithin(value, bounds),
  );
  return { ...refusal, metadata: Object.fromEntries(told) };
}
