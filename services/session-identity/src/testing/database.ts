import { type EmbeddedPostgres, startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase, migrate } from "@lanekeeper/postgres";
import { afterAll, beforeAll } from "vitest";
import { MIGRATIONS } from "../migrations.ts";
import type { Db } from "../store/db.ts";

/** Starting a server takes half a second on an idle machine; tests run beside others. */
export const START_TIMEOUT_MS = 60_000;

export const TEST_SCHEMA = "lanekeeper_identity";

export interface TestDatabase {
  readonly url: () => string;
  /** Another pool on the same database, as another replica has; closed at the end. */
  readonly open: (poolSize?: number) => Db;
}

/** A migrated throwaway database for the tests of one file. */
export function testDatabase(): TestDatabase {
  let server: EmbeddedPostgres | undefined;
  const opened: Db[] = [];
  const url = () => {
    if (server === undefined) throw new Error("the server is started before the tests");
    return server.url;
  };
  beforeAll(async () => {
    server = await startThrowawayPostgres();
    const quiet = () => undefined;
    await migrate({ url: server.url, schema: TEST_SCHEMA, directory: MIGRATIONS, log: quiet });
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all(opened.map((db) => db.close()));
    await server?.stop();
  }, START_TIMEOUT_MS);
  return { url, open: (poolSize = 4) => openPool(url(), poolSize, opened) };
}

function openPool(url: string, poolSize: number, opened: Db[]): Db {
  const db = createDatabase<unknown>({
    ...{ url, poolSize, schema: TEST_SCHEMA, applicationName: "test" },
    log: () => undefined,
  });
  opened.push(db);
  return db;
}
