// The callers, in a process of their own: what they cost is not the service's.
import { serveJobs } from "../../shared/worker.ts";
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

serveJobs({
  hello: "ready",
  run,
  close: () => {
    closeClients();
    void closePools();
  },
});
