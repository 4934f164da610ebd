import { LanekeeperError, type Reason } from "@lanekeeper/rpc";

/**
 * Refusals after which the provider is to send the event again: what stands in the way passes, or
 * nobody knows whether the event was accepted. All others are acknowledged, since a repeat of the event
 * would be refused like it.
 */
const COME_AGAIN: ReadonlySet<Reason> = new Set<Reason>([
  "DRAINING",
  "INTERNAL",
  "QUOTA",
  "RATE_LIMITED",
  "SESSION_BUSY",
  "STORE_UNAVAILABLE",
]);

/** The refusal that is to be acknowledged, or undefined where the provider is to come again. */
export function finalRefusal(error: unknown): LanekeeperError | undefined {
  if (!(error instanceof LanekeeperError)) return undefined;
  return COME_AGAIN.has(error.reason) ? undefined : error;
}
