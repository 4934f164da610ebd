import { rows, type Sql } from "../sql.ts";

/** Tables that grow with what is said, unless conversations are removed. */
const CONVERSATION_TABLES = [
  ...["lanes", "turns", "runs", "sessions", "messages", "summaries", "memories"],
] as const;

const STORED_BYTES = {
  name: "runner_stored_bytes",
  text: `
SELECT name AS "table", pg_total_relation_size(name::regclass)::float8 AS bytes
FROM unnest($1::text[]) name`,
};

/** How large each is on disk, with its indexes and long values. */
export function storedBytes(
  sql: Sql,
): Promise<{ readonly table: string; readonly bytes: number }[]> {
  return rows(sql, STORED_BYTES, [CONVERSATION_TABLES]);
}
