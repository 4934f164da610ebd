import { runService } from "@lanekeeper/service";
import { startRunner } from "./start.ts";

await runService({
  name: "runner",
  moduleUrl: import.meta.url,
  schema: "0006",
  start: startRunner,
});
