import type { Query } from "./db.ts";

/** Sql: the database's clock, whole milliseconds since 1970. */
export const NOW_MS = "floor(extract(epoch from clock_timestamp()) * 1000)::float8";

/** Sql: when the server was started, likewise. What is remembered of it is compared with this very text's value. */
export const POSTMASTER_START_MS =
  "floor(extract(epoch from pg_postmaster_start_time()) * 1000)::float8";

const READ_NOW = { name: "read_now", text: `select ${NOW_MS} as now_ms` };

/** The database's clock, milliseconds since 1970. */
export async function readNowMs(query: Query): Promise<number> {
  const { rows } = await query.query<{ readonly now_ms: number }>(READ_NOW);
  const [now] = rows;
  if (now === undefined) throw new Error("the database tells no time");
  return now.now_ms;
}
