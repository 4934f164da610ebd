import type { Sizes } from "./sizes.ts";

export const TENANT = "default";
export const AGENT = "main";
/** Tokens of context: the question and, where it is short, the exchange before it. */
export const CONTEXT_TOKENS = 50;
/** Waiting turns that a lane takes. */
export const HOT_WAITING = 2_000;

/** Keys of the warm-up; those of a round are `roundKeys`. */
export const WARM_UP_KEYS = "warm-up";

/** What the names of a round's keys begin with. */
export function roundKeys(round: number): string {
  return `round${round}`;
}

/** The name of a conversation, by its number from 0. */
export function keyName(keys: string, number: number): string {
  return `${keys}-${number}`;
}

/** All that the rows draw from. */
export function keysOf({ keys, rounds }: Sizes): readonly string[] {
  const groups = [WARM_UP_KEYS, ...Array.from({ length: rounds }, (_, at) => roundKeys(at + 1))];
  return groups.flatMap((group) => Array.from({ length: keys }, (_, at) => keyName(group, at)));
}
