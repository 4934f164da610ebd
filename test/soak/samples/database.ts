import type { DatabaseServer } from "../../chaos/world/database.ts";
import type { Samples } from "./samples.ts";

export const CONNECTIONS = "connections to Postgres";
export const TABLE_SIZE = "tables with their indexes, MiB";
export const DEAD_ROWS = "dead rows, share of live ones";
export const ROW_SIZE = "bytes a row, with indexes";
export const DATABASE_SIZE = "database, MiB";

const MIB = 1024 * 1024;

/** What is kept for ever: it grows with what was said, so its size is told for each row. */
const KEPT_FOR_EVER = new Set([
  ...["turns", "runs", "messages", "sessions", "tool_steps", "summaries", "memories"].map(
    (table) => `runner.${table}`,
  ),
  ...["session_keys", "key_bindings", "generations"].map((table) => `identity.${table}`),
]);

/** Of fewer rows a share says nothing. */
const LEAST_ROWS = 500;

interface TableRow {
  readonly name: string;
  readonly bytes: number;
  readonly live: number;
  readonly dead: number;
}

const TABLES = `
  select replace(schemaname, 'lanekeeper_', '') || '.' || relname as name,
    pg_total_relation_size(relid)::float8 as bytes,
    n_live_tup::float8 as live, n_dead_tup::float8 as dead
  from pg_stat_user_tables where schemaname like 'lanekeeper\\_%' order by 1`;

const BACKENDS = `
  select replace(usename, 'lanekeeper_', '') as name, count(*)::float8 as count
  from pg_stat_activity where usename like 'lanekeeper\\_%' group by 1 order by 1`;

const SIZE = "select pg_database_size(current_database())::float8 as bytes";

/** Reads what Postgres tells of the services' connections and tables. */
export async function sampleDatabase(samples: Samples, database: DatabaseServer): Promise<void> {
  await database.admin(async (db) => {
    const backends = await db.query<{ name: string; count: number }>(BACKENDS);
    for (const { name, count } of backends.rows) samples.note(CONNECTIONS, name, count);
    for (const table of (await db.query<TableRow>(TABLES)).rows) noteTable(samples, table);
    const [size] = (await db.query<{ bytes: number }>(SIZE)).rows;
    if (size !== undefined) samples.note(DATABASE_SIZE, "all", size.bytes / MIB);
  });
}

function noteTable(samples: Samples, { name, bytes, live, dead }: TableRow): void {
  if (live >= LEAST_ROWS) samples.note(DEAD_ROWS, name, dead / live);
  if (!KEPT_FOR_EVER.has(name)) samples.note(TABLE_SIZE, name, bytes / MIB);
  else if (live >= LEAST_ROWS) samples.note(ROW_SIZE, name, bytes / live);
}
