// Retention in minutes, and sweeps in seconds, so that the jobs that take things away work all along and
// tables come to their size early in a run. Each keeps its order to the others: a run id may be younger
// than the runs that are remembered, an answer lives as long as its request.
import type { Patch } from "../../chaos/mutants/planted.ts";

/** What is kept for days in the product. */
const KEPT = "120_000";
/** Below what is kept. */
const YOUNGER = "110_000";
const SWEEP_EVERY = "10_000";

const identity = "services/session-identity/src/limits.ts";
const runner = "services/runner/src/limits.ts";
const delivery = "services/delivery/src/limits.ts";
const ingress = "services/ingress/src/limits.ts";

function bound(file: string, name: string, usual: string, short: string): Patch {
  return { name, file, find: `  ${name}: ${usual},\n`, put: `  ${name}: ${short},\n` };
}

export const SHORT_RETENTION: readonly Patch[] = [
  bound(identity, "journalRetentionMs", "30 * 86_400_000", KEPT),
  bound(identity, "runIdMaxAgeMs", "29 * 86_400_000", YOUNGER),
  bound(identity, "eventRetentionMs", "3 * 86_400_000", KEPT),
  bound(identity, "requestRetentionMs", "24 * 3_600_000", KEPT),
  bound(identity, "changeRetentionMs", "3_600_000", KEPT),
  bound(identity, "changeMarginMs", "900_000", "30_000"),
  bound(identity, "sweepEveryMs", "300_000", SWEEP_EVERY),
  bound(runner, "eventsRetentionMs", "3_600_000", KEPT),
  bound(runner, "idempotencyRetentionMs", "86_400_000", KEPT),
  bound(runner, "childTurnsRetentionMs", "14 * 86_400_000", KEPT),
  bound(runner, "retentionSweepMs", "60_000", SWEEP_EVERY),
  bound(delivery, "deadLetterRetentionMs", "14 * DAY_MS", KEPT),
  bound(delivery, "deliveryRetentionMs", "30 * DAY_MS", KEPT),
  bound(delivery, "attemptRetentionMs", "30 * DAY_MS", KEPT),
  bound(delivery, "retentionSweepMs", "10 * MINUTE_MS", SWEEP_EVERY),
  bound(ingress, "requestLogRetentionMs", "30 * 24 * 60 * MINUTE_MS", KEPT),
  bound(ingress, "retentionSweepMs", "10 * MINUTE_MS", SWEEP_EVERY),
];
