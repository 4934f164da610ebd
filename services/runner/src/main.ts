import { newestMigration } from "@lanekeeper/postgres";
import { runService } from "@lanekeeper/service";
import { MIGRATIONS } from "./config.ts";
import { startRunner } from "./start.ts";

/** Its exit code, once it has ended. */
export const ended = runService({
  name: "runner",
  moduleUrl: import.meta.url,
  schema: newestMigration(MIGRATIONS),
  start: startRunner,
});
