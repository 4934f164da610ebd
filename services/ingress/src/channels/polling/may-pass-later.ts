import { isRetryable, LanekeeperError, type Reason } from "@lanekeeper/rpc";

const PASSING: ReadonlySet<Reason> = new Set<Reason>([
  "DRAINING",
  "RATE_LIMITED",
  "STORE_UNAVAILABLE",
]);

/** Whether what stands in an update's way is no trait of the update: it is tried for ever. */
export function mayPassLater(error: unknown): boolean {
  if (error instanceof LanekeeperError) return PASSING.has(error.reason);
  return isRetryable(error);
}
