/** What is spoken and heard. Durations in milliseconds. */
const FULL = {
  callers: 50,
  words: 200,
  /** Between two words of an answer: twenty a second, as a fast model speaks. */
  everyMs: 50,
  rounds: 3,
  /** Answers that each caller hears before anything is measured. */
  warmUps: 2,
  /** Whatever hangs, the run ends. */
  wholeRunMs: 300_000,
} as const;

/** `--quick`: shows that all is wired up, in half a minute beside other work. */
const QUICK = { ...FULL, callers: 5, words: 40, rounds: 1, warmUps: 1 };

export const SIZES: Readonly<Record<keyof typeof FULL, number>> = process.argv.includes("--quick")
  ? QUICK
  : FULL;
