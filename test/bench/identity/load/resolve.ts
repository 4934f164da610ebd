import { AGENT, rawKey } from "../names.ts";
import { identityClient } from "./clients.ts";
import { closedLoop } from "./closed-loop.ts";
import type { Job, Measured, Picks } from "./jobs.ts";

/** ResolveSession of names that are bound. */
export async function resolve(job: Extract<Job, { kind: "resolve" }>): Promise<Measured> {
  const client = identityClient(job.target, "ingress");
  const pick = picker(job.keys);
  return closedLoop(job, () => {
    const index = pick();
    if (index === undefined) return false;
    return client.resolveSession({
      agentId: AGENT,
      name: { case: "rawKey", value: rawKey(index) },
      lookUpOnly: true,
    });
  });
}

function picker({ first, count, order }: Picks): () => number | undefined {
  if (order === "random") return () => first + Math.floor(Math.random() * count);
  let next = first;
  return () => (next < first + count ? next++ : undefined);
}
