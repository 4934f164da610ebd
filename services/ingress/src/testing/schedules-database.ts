import { startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase, type Database, migrate } from "@lanekeeper/postgres";
import { SCHEMA } from "../config.ts";
import { type ScheduleStore, scheduleStore } from "../schedules/store.ts";
import { MIGRATIONS } from "../start.ts";

/** Schedules in a Postgres of the test's own. */
export interface SchedulesDatabase extends AsyncDisposable {
  readonly db: Database<unknown>;
  readonly store: ScheduleStore;
}

export async function startSchedulesDatabase(): Promise<SchedulesDatabase> {
  const server = await startThrowawayPostgres();
  const { url } = server;
  const log = (): void => undefined;
  await migrate({ url, schema: SCHEMA, directory: MIGRATIONS, log });
  const db = createDatabase({ url, schema: SCHEMA, poolSize: 4, applicationName: "t", log });
  return {
    db,
    store: scheduleStore(db),
    [Symbol.asyncDispose]: async () => {
      await db.close();
      await server.stop();
    },
  };
}
