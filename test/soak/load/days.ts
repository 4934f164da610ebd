import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../chaos/world/cluster.ts";
import type { Samples } from "../samples/samples.ts";
import { applyDailyHour } from "../world/agents.ts";

/** How long a day is here. */
const DAY_MS = 120_000;
const MINUTE_MS = 60_000;

/** Moves the hour at which sessions roll over to the next minute, again and again. */
export async function passDays(
  cluster: Cluster,
  samples: Samples,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    const at = new Date(Math.ceil((Date.now() + 5_000) / MINUTE_MS) * MINUTE_MS);
    // A replica that is being killed does not answer; the next day comes.
    await applyDailyHour(cluster, at.toISOString().slice(11, 16)).catch(() => undefined);
    samples.mark(`daily at ${at.toISOString().slice(11, 16)}`);
    await sleep(DAY_MS, undefined, { signal: over }).catch(() => undefined);
  }
}
