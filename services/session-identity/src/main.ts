import { newestMigration } from "@lanekeeper/postgres";
import { runService } from "@lanekeeper/service";
import { MIGRATIONS } from "./migrations.ts";
import { startSessionIdentity } from "./service.ts";

/** Its exit code, once it has ended. */
export const ended = runService({
  name: "session-identity",
  moduleUrl: import.meta.url,
  schema: newestMigration(MIGRATIONS),
  start: startSessionIdentity,
});
