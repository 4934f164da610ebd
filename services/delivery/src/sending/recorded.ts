import { hasReason, LanekeeperError } from "@lanekeeper/rpc";
import type { Recorded } from "../store/sending/adopt-outcome.ts";

/** By the names of ReplyState. */
const OUTCOMES: Readonly<Record<string, Recorded["outcome"]>> = { SENT: "sent", FAILED: "failed" };

/**
 * What session-identity has recorded of this attempt, by its refusal to take another outcome of it.
 * Undefined: nothing that tells whether it arrived.
 */
export function recordedIn(error: unknown, attempt: number): Recorded | undefined {
  if (!(error instanceof LanekeeperError && hasReason(error, "IDEMPOTENCY_MISMATCH"))) {
    return undefined;
  }
  const { metadata } = error;
  const outcome = OUTCOMES[metadata["recorded_state"] ?? ""];
  if (outcome === undefined || metadata["recorded_attempt"] !== String(attempt)) return undefined;
  return { outcome, providerMessageId: metadata["recorded_provider_message_id"] ?? "" };
}
