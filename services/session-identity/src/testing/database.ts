import { createDatabase, type Database } from "@lanekeeper/postgres";
import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll, onTestFinished, TestRunner } from "vitest";
import { MIGRATIONS } from "../migrations.ts";
import type { Db } from "../store/db.ts";

/** Starting a server takes half a second on an idle machine; tests run beside others. */
export const START_TIMEOUT_MS = 60_000;

const POOL_SIZE = 4;

export const TEST_SCHEMA = "lanekeeper_identity";

export interface TestDatabase {
  readonly url: () => string;
  /** For a schema of another service beside that of session-identity. */
  readonly place: () => ThrowawayDatabase;
  /**
   * Another pool on the same database, as another replica has. One that a test opens is the next one's when it has ended,
   * with its connections, which take longer to make than most tests.
   */
  readonly open: (poolSize?: number) => Db;
}

/** A migrated throwaway database for the tests of one file. */
export function testDatabase(): TestDatabase {
  let database: ThrowawayDatabase | undefined;
  const opened: Database<unknown>[] = [];
  const spare: Database<unknown>[] = [];
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
  const open = (poolSize = POOL_SIZE): Db => {
    if (poolSize !== POOL_SIZE) return openPool(url(), poolSize, opened);
    const db = spare.pop() ?? openPool(url(), poolSize, opened);
    if (TestRunner.getCurrentTest() === undefined) return db;
    onTestFinished(() => {
      const { total, idle } = db.stats();
      if (total === idle) spare.push(db);
    });
    return db;
  };
  return { url, place, open };
}

function openPool(url: string, poolSize: number, opened: Database<unknown>[]): Database<unknown> {
  const db = createDatabase<unknown>({
    ...{ url, poolSize, schema: TEST_SCHEMA, applicationName: "test" },
    log: () => undefined,
  });
  opened.push(db);
  return db;
}
