import type { Clock, Log } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { RequestStore } from "./store.ts";

/** What the sweep needs. */
export interface RetentionOptions {
  readonly store: Pick<RequestStore, "deleteBefore">;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Pick<
    IngressLimits,
    "requestLogRetentionMs" | "retentionSweepMs" | "retentionBatchSize"
  >;
  readonly signal: AbortSignal;
}

/** Deletes what is past its retention, in small batches, until the signal is aborted. */
export async function sweepRequests(options: RetentionOptions): Promise<void> {
  const { clock, limits, log, signal } = options;
  while (!signal.aborted) {
    await sweepOnce(options).catch((err: unknown) => {
      log.warn({ err }, "old requests could not be deleted; trying again later");
    });
    await clock.sleep(limits.retentionSweepMs, signal).catch(() => undefined);
  }
}

async function sweepOnce({ store, clock, limits, signal }: RetentionOptions): Promise<void> {
  const endTime = new Date(clock.now().getTime() - limits.requestLogRetentionMs);
  while (!signal.aborted) {
    const deleted = await store.deleteBefore(endTime, limits.retentionBatchSize);
    if (deleted < limits.retentionBatchSize) return;
  }
}
