export const TENANT = "default";
export const AGENT = "main";
/** Tokens of context: the question and, where it is short, the exchange before it. */
export const CONTEXT_TOKENS = 50;
/** Waiting turns that a lane takes. */
export const HOT_WAITING = 2_000;
