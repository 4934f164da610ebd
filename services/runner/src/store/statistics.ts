import { rows, type Sql } from "./sql.ts";

/** Tables that the statements of every turn look into. */
const TABLES = ["lanes", "turns", "runs", "sessions", "messages", "idempotency", "turn_events"];

const OUTGROWN = {
  name: "runner_outgrown_tables",
  text: `
SELECT c.relname AS name FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY ($1)
  AND pg_relation_size(c.oid) / current_setting('block_size')::int > 4 * greatest(c.relpages, $2)`,
};

/** Of a table this small any plan is good. */
const SMALL_PAGES = 16;

/**
 * Tells the planner of tables that have outgrown what it knows of them. Autovacuum does that once a
 * minute, in which a busy new installation writes a hundred thousand rows; until then a plan that was
 * made for an empty table reads all of it for each turn. Gives the tables that were looked at.
 */
export async function analyzeOutgrown(sql: Sql): Promise<readonly string[]> {
  const outgrown = await rows<{ name: string }>(sql, OUTGROWN, [TABLES, SMALL_PAGES]);
  for (const { name } of outgrown) await sql.query(`ANALYZE ${name}`);
  return outgrown.map(({ name }) => name);
}
