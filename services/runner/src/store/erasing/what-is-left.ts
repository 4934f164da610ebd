import { rows, type Sql } from "../sql.ts";
import { GENERATION } from "./erased-key.ts";

/** A key to look at. */
export interface LookedAt {
  readonly sessionKey: string;
  /** Undefined: whatever its generation. */
  readonly through: bigint | undefined;
}

/** One row, by an index of the key; with a limit, since the planner would else read a whole table at once. */
const oneOf = (name: string, from: string): string =>
  `LEFT JOIN LATERAL (SELECT true AS is_there FROM ${from} LIMIT 1) ${name} ON true`;

const LEFT = {
  name: "runner_left_of_erased",
  text: `
SELECT k.session_key AS "sessionKey"
FROM unnest($2::text[], $3::bigint[]) AS k (session_key, through)
${oneOf(
  "turn",
  `turns t WHERE t.tenant = $1 AND t.session_key = k.session_key
    AND (k.through IS NULL OR ${GENERATION} <= k.through)`,
)}
${oneOf(
  "session",
  `sessions s WHERE s.tenant = $1 AND s.session_key = k.session_key
    AND (k.through IS NULL OR s.generation <= k.through)`,
)}
${oneOf(
  "summary",
  `summaries m WHERE m.tenant = $1 AND m.session_key = k.session_key
    AND (k.through IS NULL OR m.generation <= k.through + 1)`,
)}
WHERE coalesce(turn.is_there, session.is_there, summary.is_there)`,
};

/** Those of the keys under which something of what is erased is left. */
export async function keysLeft(
  sql: Sql,
  tenant: string,
  keys: readonly LookedAt[],
): Promise<string[]> {
  const params = [
    tenant,
    keys.map((key) => key.sessionKey),
    keys.map((key) => key.through ?? null),
  ];
  const found = await rows<{ readonly sessionKey: string }>(sql, LEFT, params);
  return found.map(({ sessionKey }) => sessionKey);
}

const LARGEST = {
  name: "runner_largest_generations",
  text: `
SELECT k.session_key AS "sessionKey", greatest(
  (SELECT max(${GENERATION}) FROM turns t WHERE t.tenant = $1 AND t.session_key = k.session_key),
  (SELECT max(s.generation) FROM sessions s WHERE s.tenant = $1 AND s.session_key = k.session_key)
) AS "throughGeneration"
FROM unnest($2::text[]) AS k (session_key)`,
};

/** The largest generation that is known here of each key; null: none. */
export function largestGenerations(
  sql: Sql,
  tenant: string,
  keys: readonly string[],
): Promise<{ readonly sessionKey: string; readonly throughGeneration: bigint | null }[]> {
  return rows(sql, LARGEST, [tenant, keys]);
}
