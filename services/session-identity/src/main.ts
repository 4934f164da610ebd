import { runService } from "@lanekeeper/service";
import { startSessionIdentity } from "./service.ts";

await runService({
  name: "session-identity",
  moduleUrl: import.meta.url,
  schema: "0001",
  start: startSessionIdentity,
});
