import type { Clock } from "@lanekeeper/service";
import type { IngressMetrics } from "../metrics.ts";
import type { OpenTurn } from "./open-turn.ts";

/** Measures how long an accepted turn waits; call the result when a run begins. */
export function queueWaitTimer(
  deps: { readonly clock: Clock; readonly metrics: Pick<IngressMetrics, "queueWait"> },
  { acceptedMs, waitedMs }: Pick<OpenTurn, "acceptedMs" | "waitedMs">,
): () => void {
  let hasBegun = waitedMs !== undefined;
  if (waitedMs !== undefined) deps.metrics.queueWait(waitedMs / 1_000);
  return () => {
    // A turn that is requeued begins again; it waited once.
    if (!hasBegun) deps.metrics.queueWait((deps.clock.monotonicMs() - acceptedMs) / 1_000);
    hasBegun = true;
  };
}
