import type { StandingKey } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";

/** A first message that raced its migration notice: the younger goes into the older. */
export function olderOfRacers(
  a: StandingKey,
  b: StandingKey,
  nowMs: number,
): StandingKey | undefined {
  const [older, younger] = a.session.createMs <= b.session.createMs ? [a, b] : [b, a];
  return nowMs - younger.session.createMs < LIMITS.youngSessionMs ? older : undefined;
}
