import type { Clock } from "@lanekeeper/service";
import type { IngressMetrics } from "../metrics.ts";

/** Starts to measure how long an accepted turn waits; call the result when a run begins. */
export function queueWaitTimer(deps: {
  readonly clock: Clock;
  readonly metrics: Pick<IngressMetrics, "queueWait">;
}): () => void {
  const acceptedMs = deps.clock.monotonicMs();
  let hasBegun = false;
  return () => {
    // A turn that is requeued begins again; it waited once.
    if (!hasBegun) deps.metrics.queueWait((deps.clock.monotonicMs() - acceptedMs) / 1_000);
    hasBegun = true;
  };
}
