import { type EmbeddedPostgres, startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase, migrate } from "@lanekeeper/postgres";
import { MIGRATIONS } from "../start.ts";
import type { DeliveryDatabase } from "../store/sql.ts";

/** One throwaway server for a file's tests; each test gets a schema of its own. */
export interface TestSchemas extends AsyncDisposable {
  /** A migrated schema behind a pool; closed with the server. */
  open(): Promise<DeliveryDatabase>;
  readonly server: EmbeddedPostgres;
}

export async function startTestSchemas(): Promise<TestSchemas> {
  const server = await startThrowawayPostgres();
  const opened: DeliveryDatabase[] = [];
  let count = 0;
  return {
    server,
    async open() {
      const schema = `test_${++count}`;
      const { url } = server;
      const log = (): void => undefined;
      await migrate({ url, schema, directory: MIGRATIONS, log });
      const db: DeliveryDatabase = createDatabase({
        url,
        schema,
        poolSize: 4,
        applicationName: schema,
        log,
      });
      opened.push(db);
      return db;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((db) => db.close()));
      await server[Symbol.asyncDispose]();
    },
  };
}
