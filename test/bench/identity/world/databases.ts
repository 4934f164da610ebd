import { createDatabase, type Database, migrate } from "@lanekeeper/postgres";
import { MIGRATIONS, SCHEMA } from "../../../../services/session-identity/src/migrations.ts";
import type { DurablePostgres } from "../../shared/durable-postgres.ts";
import { preload } from "./preload.ts";

/** Loading a million rows with their indexes. */
const LOAD_TIMEOUT_MS = 300_000;

/** Makes a database with the service's schema and that many established keys; gives its URL. */
export async function makeDatabase(
  postgres: DurablePostgres,
  name: string,
  keys: number,
): Promise<string> {
  await using admin = openDatabase(postgres.url("postgres"), 1);
  await admin.query(`create database ${name}`);
  const url = postgres.url(name);
  await migrate({ url, schema: SCHEMA, directory: MIGRATIONS, log: () => undefined });
  await using database = openDatabase(url, 1);
  await checkDurable(database);
  await preload(database, postgres.folder, keys);
  return url;
}

/** What is acknowledged here is on disk, or the ratios would compare two things that nobody runs. */
async function checkDurable(database: Database<unknown>): Promise<void> {
  for (const name of ["fsync", "synchronous_commit", "full_page_writes"]) {
    const { rows } = await database.query<{ set: string }>("select current_setting($1) as set", [
      name,
    ]);
    if (rows[0]?.set !== "on") throw new Error(`${name} is ${rows[0]?.set}, not on`);
  }
}

/** Statements find the service's tables without naming their schema. */
export function openDatabase(url: string, poolSize: number): Database<unknown> {
  return createDatabase<unknown>({
    ...{ url, poolSize, schema: SCHEMA, applicationName: "bench" },
    statementTimeoutMs: LOAD_TIMEOUT_MS,
    log: () => undefined,
  });
}
