import { runService } from "@lanekeeper/service";
import { startDelivery } from "./start.ts";

await runService({ name: "delivery", moduleUrl: import.meta.url, start: startDelivery });
