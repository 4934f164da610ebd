import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../chaos/world/cluster.ts";
import type { Samples } from "../samples/samples.ts";

const EVERY_MS = 60_000;

/**
 * `kill -9` each minute, of the second replica of each service in turn: the first ones live through the
 * whole run, so that what they gather is seen.
 */
export async function killEachMinute(
  { replicas }: Cluster,
  samples: Samples,
  over: AbortSignal,
): Promise<void> {
  const victims = replicas.filter(({ name }) => name.endsWith("-2"));
  for (let turn = 0; !over.aborted; turn += 1) {
    await sleep(EVERY_MS, undefined, { signal: over }).catch(() => undefined);
    const victim = victims[turn % victims.length];
    if (over.aborted || victim === undefined) return;
    samples.mark(`kill -9 ${victim.name}`);
    victim.kill();
  }
}
