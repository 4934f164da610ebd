import type { Queryable } from "../connections/queryable.ts";

const OUTGROWN = {
  name: "outgrown_tables",
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
 * made for an empty table reads all of it for each turn. Plans that stand are made anew after it. Gives
 * the tables that were looked at.
 * @param tables of the schema that the connections look names up in.
 */
export async function analyzeOutgrown(
  sql: Pick<Queryable<unknown>, "query">,
  tables: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await sql.query<{ name: string }>(OUTGROWN, [tables, SMALL_PAGES]);
  for (const { name } of rows) await sql.query(`ANALYZE ${name}`);
  return rows.map(({ name }) => name);
}
