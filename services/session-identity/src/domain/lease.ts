import type { Now } from "./decision.ts";
import type { ActiveRun } from "./key-state.ts";

/**
 * Milliseconds that the run's lease still lives; 0 or less once it has expired. A database that was
 * down renewed nobody's lease, so none expires within one lease of its start.
 */
export function leaseLeftMs(run: ActiveRun, now: Now): number {
  const graceMs = now.postmasterStartMs + run.leaseMs;
  return Math.max(run.leaseExpireMs, graceMs) - now.ms;
}

/** The run with its lease counted from now. */
export function renewed(run: ActiveRun, now: Now): ActiveRun {
  return { ...run, heartbeatMs: now.ms, leaseExpireMs: now.ms + run.leaseMs };
}
