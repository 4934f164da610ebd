/**
 * The SQL condition that a column's session key is one that a credential may reach: `isKeyWithin` of
 * @lanekeeper/session-key, asked in SQL. `agents` and `prefixes` are placeholders of text arrays; an
 * empty one binds to nothing. Without bounds it costs two looks at an empty array.
 */
export function keyIsWithin(column: string, agents: string, prefixes: string): string {
  return `(cardinality(${agents}::text[]) = 0 OR split_part(${column}, ':', 2) = ANY (${agents}::text[]))
    AND (cardinality(${prefixes}::text[]) = 0 OR EXISTS (
      SELECT FROM unnest(${prefixes}::text[]) AS prefix WHERE starts_with(${column}, prefix)))`;
}
