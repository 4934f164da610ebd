import { createDatabase } from "@lanekeeper/postgres";
import { startThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { MIGRATIONS } from "../start.ts";
import type { DeliveryDatabase } from "../store/sql.ts";

/** One throwaway database for a file's tests; each test gets a schema of its own. */
export interface TestSchemas extends AsyncDisposable {
  /** A migrated schema behind a pool; closed with the database. */
  open(): Promise<DeliveryDatabase>;
}

export async function startTestSchemas(): Promise<TestSchemas> {
  const database = await startThrowawayDatabase();
  const opened: DeliveryDatabase[] = [];
  let count = 0;
  return {
    async open() {
      const schema = `test_${++count}`;
      await database.makeSchema(schema, MIGRATIONS);
      const db: DeliveryDatabase = createDatabase({
        url: database.url,
        schema,
        poolSize: 4,
        applicationName: schema,
        log: () => undefined,
      });
      opened.push(db);
      return db;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((db) => db.close()));
      await database[Symbol.asyncDispose]();
    },
  };
}
