// Retention in minutes, and sweeps in seconds, so that the jobs that take things away work all along and
// tables come to their size early in a run. Each keeps its order to the others: a run id may be younger
// than the runs that are remembered, an answer lives as long as its request.
/** A bound of a service, and what stands in its place. */
export interface ShortBound {
  readonly file: string;
  readonly name: string;
  readonly ms: string;
}

/** What is kept for days in the product. */
const KEPT = "120_000";
/** Below what is kept. */
const YOUNGER = "110_000";
const SWEEP_EVERY = "10_000";

const identity = "services/session-identity/src/limits.ts";
const runner = "services/runner/src/limits.ts";
const delivery = "services/delivery/src/limits.ts";
const ingress = "services/ingress/src/limits.ts";

function bound(file: string, name: string, ms: string): ShortBound {
  return { file, name, ms };
}

/** The text with the bound in it. @throws where it is not found: it would change nothing */
export function shortened(source: string, { file, name, ms }: ShortBound): string {
  const line = new RegExp(`^  ${name}: \\d.*,$`, "m");
  if (!line.test(source)) throw new Error(`${name} is not found in ${file}`);
  return source.replace(line, `  ${name}: ${ms},`);
}

export const SHORT_RETENTION: readonly ShortBound[] = [
  bound(identity, "journalRetentionMs", KEPT),
  bound(identity, "runIdMaxAgeMs", YOUNGER),
  bound(identity, "eventRetentionMs", KEPT),
  bound(identity, "requestRetentionMs", KEPT),
  bound(identity, "changeRetentionMs", KEPT),
  bound(identity, "changeMarginMs", "30_000"),
  bound(identity, "sweepEveryMs", SWEEP_EVERY),
  bound(runner, "eventsRetentionMs", KEPT),
  bound(runner, "idempotencyRetentionMs", KEPT),
  bound(runner, "childTurnsRetentionMs", KEPT),
  bound(runner, "discardedMemoriesRetentionMs", KEPT),
  bound(runner, "refusedRepliesRetentionMs", KEPT),
  bound(runner, "retentionSweepMs", SWEEP_EVERY),
  bound(delivery, "deadLetterRetentionMs", KEPT),
  bound(delivery, "deliveryRetentionMs", KEPT),
  bound(delivery, "attemptRetentionMs", KEPT),
  bound(delivery, "retentionSweepMs", SWEEP_EVERY),
  bound(ingress, "requestLogRetentionMs", KEPT),
  bound(ingress, "retentionSweepMs", SWEEP_EVERY),
];
