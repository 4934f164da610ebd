import { newestMigration } from "@lanekeeper/postgres";
import { runService } from "@lanekeeper/service";
import { MIGRATIONS, startDelivery } from "./start.ts";

/** Its exit code, once it has ended. */
export const ended = runService({
  name: "delivery",
  moduleUrl: import.meta.url,
  schema: newestMigration(MIGRATIONS),
  start: startDelivery,
});
