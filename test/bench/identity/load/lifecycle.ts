import { identityClient } from "./clients.ts";
import { closedLoop, dealt } from "./closed-loop.ts";
import type { Job, Measured } from "./jobs.ts";
import { TurnWriter } from "./turn-writer.ts";

/** Writes of whole turns, by callers who share no key. */
export async function lifecycle(job: Extract<Job, { kind: "lifecycle" }>): Promise<Measured> {
  const client = identityClient(job.target, "runner");
  const writers = Array.from(
    { length: job.inFlight },
    (_, caller) => new TurnWriter(client, dealt(job.keys, job.inFlight, caller)),
  );
  const measured = await closedLoop(job, (caller) => writers[caller]?.write() ?? false);
  await Promise.all(writers.map((writer) => writer.finish()));
  return measured;
}
