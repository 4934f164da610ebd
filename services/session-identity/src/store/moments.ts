/** Sql: the database's clock, whole milliseconds since 1970. */
export const NOW_MS = "floor(extract(epoch from clock_timestamp()) * 1000)::float8";

/** Sql: when the server was started, likewise. What is remembered of it is compared with this very text's value. */
export const POSTMASTER_START_MS =
  "floor(extract(epoch from pg_postmaster_start_time()) * 1000)::float8";
