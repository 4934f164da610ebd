import type { Sizes } from "./sizes.ts";

export const TENANT = "default";
export const AGENT = "main";
/** Tokens of context: the question and, where it is short, the exchange before it. */
export const CONTEXT_TOKENS = 50;
/** Waiting turns that a lane takes. */
export const HOT_WAITING = 2_000;

/** What the names of the conversations begin with in which each row's turns are. */
export const KNOWN_KEYS = "known";
/** Of those that nobody has spoken in. */
export const NEW_KEYS = "new";

/** The name of a conversation, by its number from 0. */
export function keyName(keys: string, number: number): string {
  return `${keys}-${number}`;
}

/** The conversations that the rows draw from. */
export function knownKeys({ keys }: Sizes): readonly string[] {
  return Array.from({ length: keys }, (_, at) => keyName(KNOWN_KEYS, at));
}
