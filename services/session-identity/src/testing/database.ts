import { createDatabase } from "@lanekeeper/postgres";
import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll } from "vitest";
import { MIGRATIONS } from "../migrations.ts";
import type { Db } from "../store/db.ts";

/** Starting a server takes half a second on an idle machine; tests run beside others. */
export const START_TIMEOUT_MS = 60_000;

export const TEST_SCHEMA = "lanekeeper_identity";

export interface TestDatabase {
  readonly url: () => string;
  /** For a schema of another service beside that of session-identity. */
  readonly place: () => ThrowawayDatabase;
  /** Another pool on the same database, as another replica has; closed at the end. */
  readonly open: (poolSize?: number) => Db;
}

/** A migrated throwaway database for the tests of one file. */
export function testDatabase(): TestDatabase {
  let database: ThrowawayDatabase | undefined;
  const opened: Db[] = [];
  const place = () => {
    if (database === undefined) throw new Error("the database is made before the tests");
    return database;
  };
  const url = () => place().url;
  beforeAll(async () => {
    database = await startThrowawayDatabase();
    await database.makeSchema(TEST_SCHEMA, MIGRATIONS);
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all(opened.map((db) => db.close()));
    await database?.stop();
  }, START_TIMEOUT_MS);
  return { url, place, open: (poolSize = 4) => openPool(url(), poolSize, opened) };
}

function openPool(url: string, poolSize: number, opened: Db[]): Db {
  const db = createDatabase<unknown>({
    ...{ url, poolSize, schema: TEST_SCHEMA, applicationName: "test" },
    log: () => undefined,
  });
  opened.push(db);
  return db;
}
