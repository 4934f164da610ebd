/** How much is sent, and what is not to be missed. Durations in milliseconds. */
const FULL = {
  routes: 1_000,
  messagesPerRoute: 10,
  /** As many as a replica of delivery sends at once. */
  inFlight: 128,
  /** Replies handed over at once, as the relays of some replicas of the runner do. */
  enqueuing: 64,
  /** Of text in each reply. */
  textChars: 500,
  /** Ours over posting the same bodies without any durability. */
  minRatio: 0.25,
  /** Whatever hangs, the run ends. */
  wholeRunMs: 300_000,
} as const;

/** `--quick`: shows that all is wired up, in half a minute beside other work. Its ratio means nothing. */
const QUICK = { ...FULL, routes: 20, messagesPerRoute: 3 };

export const SIZES: Readonly<Record<keyof typeof FULL, number>> = process.argv.includes("--quick")
  ? QUICK
  : FULL;
