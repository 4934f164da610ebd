/** What is asked of the fan-out, and what is not to be passed. Durations in milliseconds. */
const FULL = {
  /** Each has a prefix of its own, under which one session stands. */
  filtered: 2_000,
  unfiltered: 20,
  changesPerSecond: 200,
  warmUpMs: 3_000,
  measuredMs: 20_000,
  /** From asking for a change until a subscriber is told: a person sees it as at once. */
  maxLagP99Ms: 1_000,
  /** Of delivery, resident, with all of them subscribed. */
  maxDeliveryMiB: 512,
  /** Calls in flight while sessions are made. */
  inFlight: 64,
  /** Whatever hangs, the run ends. */
  wholeRunMs: 240_000,
} as const;

/** `--quick`: shows that all is wired up, in half a minute beside other work. */
const QUICK = {
  ...FULL,
  filtered: 50,
  unfiltered: 2,
  changesPerSecond: 20,
  warmUpMs: 500,
  measuredMs: 3_000,
};

export const SIZES: Readonly<Record<keyof typeof FULL, number>> = process.argv.includes("--quick")
  ? QUICK
  : FULL;
