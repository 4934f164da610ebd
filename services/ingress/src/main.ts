import { newestMigration } from "@lanekeeper/postgres";
import { runService } from "@lanekeeper/service";
import { MIGRATIONS, startIngress } from "./start.ts";

/** Its exit code, once it has ended. */
export const ended = runService({
  name: "ingress",
  moduleUrl: import.meta.url,
  schema: newestMigration(MIGRATIONS),
  start: startIngress,
});
