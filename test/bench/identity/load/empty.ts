import { emptyClient } from "./clients.ts";
import { closedLoop } from "./closed-loop.ts";
import type { Job, Measured } from "./jobs.ts";

/** The unary RPC that carries nothing and does nothing. */
export async function empty(job: Extract<Job, { kind: "empty" }>): Promise<Measured> {
  const client = emptyClient(job.target);
  return closedLoop(job, () => client.echo({}));
}
