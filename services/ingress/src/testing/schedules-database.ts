import { createDatabase, type Database } from "@lanekeeper/postgres";
import { startThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { SCHEMA } from "../config.ts";
import { type ScheduleStore, scheduleStore } from "../schedules/store.ts";
import { MIGRATIONS } from "../start.ts";

/** Schedules in a database of the test's own. */
export interface SchedulesDatabase extends AsyncDisposable {
  readonly db: Database<unknown>;
  readonly store: ScheduleStore;
}

export async function startSchedulesDatabase(): Promise<SchedulesDatabase> {
  const database = await startThrowawayDatabase();
  const { url } = database;
  const log = (): void => undefined;
  await database.makeSchema(SCHEMA, MIGRATIONS);
  const db = createDatabase({ url, schema: SCHEMA, poolSize: 4, applicationName: "t", log });
  return {
    db,
    store: scheduleStore(db),
    [Symbol.asyncDispose]: async () => {
      await db.close();
      await database.stop();
    },
  };
}
