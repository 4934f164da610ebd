import { runService } from "@lanekeeper/service";
import { startIngress } from "./start.ts";

await runService({ name: "ingress", moduleUrl: import.meta.url, start: startIngress });
