/** How much is sent, and what is not to be missed. Durations in milliseconds. */
export interface Sizes {
  readonly routes: number;
  readonly messagesPerRoute: number;
  /** Posts at once: as many as a replica of delivery sends at once. */
  readonly inFlight: number;
  /** Replies handed over at once, as the relays of some replicas of the runner do. */
  readonly enqueuing: number;
  /** Of text in each reply. */
  readonly textChars: number;
  readonly rounds: number;
  /** Ours over posting the same bodies without any durability. */
  readonly minRatio: number;
}

export const FULL: Sizes = {
  routes: 1_000,
  messagesPerRoute: 10,
  inFlight: 256,
  enqueuing: 128,
  textChars: 500,
  rounds: 3,
  minRatio: 0.25,
};

/** `--quick`: one round, in half a minute beside other work. */
export const QUICK: Sizes = { ...FULL, messagesPerRoute: 5, rounds: 1 };

/** Whatever hangs, the run ends. */
export const WHOLE_RUN_MS = 300_000;
