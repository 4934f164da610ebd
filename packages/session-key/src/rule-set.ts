/**
 * The version of all rules in this package. It rises whenever any name would be read differently
 * than before; the number stands in the published vectors and beside every binding that was made.
 */
export const RULE_SET_VERSION = 1;

/** Bytes of UTF-8, for the text as given and again for what comes out of it (NFC can grow a text). */
export const MAX_KEY_BYTES = 1024;

/** First segments that belong to the system: an outside credential may not use them. */
export const RESERVED_NAMESPACES: ReadonlySet<string> = new Set([
  "subagent",
  "cron",
  "acp",
  "hook",
  "internal",
  "boot",
  "heartbeat",
]);

/** Words that a typed rendering uses itself; a channel of that name could stand in their place. */
export const RENDERING_WORDS: ReadonlySet<string> = new Set([
  "agent",
  "main",
  "direct",
  "person",
  "phone",
]);
