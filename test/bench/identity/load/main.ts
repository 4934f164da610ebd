// The callers, in a process of their own: what they cost is not the service's.
import type { Reply } from "../world/worker-process.ts";
import { closeClients } from "./clients.ts";
import { closePools, compareAndSet } from "./compare-and-set.ts";
import { empty } from "./empty.ts";
import type { Job, Measured } from "./jobs.ts";
import { lifecycle } from "./lifecycle.ts";
import { resolve } from "./resolve.ts";

function run(job: Job): Promise<Measured> {
  switch (job.kind) {
    case "empty":
      return empty(job);
    case "resolve":
      return resolve(job);
    case "lifecycle":
      return lifecycle(job);
    case "compare-and-set":
      return compareAndSet(job);
  }
}

function say(reply: Reply): void {
  process.send?.(reply);
}

process.on("message", (job: Job) => {
  run(job).then(
    (answer) => say({ answer }),
    (error: unknown) =>
      say({ error: error instanceof Error ? (error.stack ?? "") : String(error) }),
  );
});
process.once("disconnect", () => {
  closeClients();
  void closePools();
});
say({ answer: "ready" });
