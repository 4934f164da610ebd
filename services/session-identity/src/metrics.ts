import type { Metrics } from "@lanekeeper/service";

/** What this service measures beside its calls. */
export interface IdentityMetrics {
  batch(size: number, durationMs: number): void;
  byMemory(written: number, outdated: number): void;
  refused(operation: string, reason: string): void;
  readonly watchLag: { observe(seconds: number): void };
}

const BATCH_SIZES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export function createIdentityMetrics(metrics: Metrics): IdentityMetrics {
  const size = metrics.histogram("identity_batch_calls", "Calls of one commit", [], BATCH_SIZES);
  const duration = metrics.histogram(
    "identity_batch_seconds",
    "From the first statement of a batch to the end of its last commit",
  );
  const byMemory = metrics.counter(
    "identity_by_memory_total",
    "Commands that were decided without reading their key first: written, or decided anew since it had changed",
    ["outcome"],
  );
  const refused = metrics.counter("identity_refused_total", "Decisions against a call", [
    "operation",
    "reason",
  ]);
  const watchLag = metrics.histogram(
    "identity_watch_lag_seconds",
    "From when a change was written to when the feed found it; the oldest of each poll",
  );
  return {
    batch: (commands, durationMs) => {
      size.observe(commands);
      duration.observe(durationMs / 1_000);
    },
    byMemory: (written, outdated) => {
      byMemory.inc({ outcome: "written" }, written);
      byMemory.inc({ outcome: "outdated" }, outdated);
    },
    refused: (operation, reason) => refused.inc({ operation, reason }),
    watchLag,
  };
}
