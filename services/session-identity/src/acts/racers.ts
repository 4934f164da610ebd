import type { StandingKey } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";

/** How two keys are united that turn out to be one: of two sessions one may be a race that was lost. */
export const AS_RACERS = { survivor: olderOfRacers, absorbs: LIMITS.maxAbsorbed };

/** A first message that raced its migration notice: the younger goes into the older. */
function olderOfRacers(a: StandingKey, b: StandingKey, nowMs: number): StandingKey | undefined {
  const [older, younger] = a.session.createMs <= b.session.createMs ? [a, b] : [b, a];
  return nowMs - younger.session.createMs < LIMITS.youngSessionMs ? older : undefined;
}
