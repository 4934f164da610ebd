import { newestMigration } from "@lanekeeper/postgres";
import { runService } from "@lanekeeper/service";
import { MIGRATIONS, startDelivery } from "./start.ts";

await runService({
  name: "delivery",
  moduleUrl: import.meta.url,
  schema: newestMigration(MIGRATIONS),
  start: startDelivery,
});
