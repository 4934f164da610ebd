/**
 * A common table expression for statements whose loss in a crash of the database costs nothing but an
 * attempt, or that are made good from what was flushed before: what they wrote is flushed with whatever is
 * flushed next, and nobody waits for the disk.
 * The setting ends with the statement's transaction. The statement must read from `unhurried`, which is
 * how it comes to be evaluated. Never for what a caller or another service is told of and nothing else keeps.
 */
export const UNHURRIED =
  "unhurried AS (SELECT set_config('synchronous_commit', 'off', true) AS is_off)";
