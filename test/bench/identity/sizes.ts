/** How much is measured, and for how long. */
export interface Sizes {
  /** Keys of the database that most is measured on, and that the large one is compared with. */
  readonly smallKeys: number;
  readonly largeKeys: number;
  /** Turns of ours and the baseline, one after the other; each gives one ratio. */
  readonly rounds: number;
  /** One measurement; two make a round. */
  readonly roundMs: number;
  /** Before the first round: code is compiled, plans are cached, streams are open. */
  readonly warmUpMs: number;
}

/** About five minutes, of which loading and resolving a million keys are three. */
export const FULL: Sizes = {
  smallKeys: 10_000,
  largeKeys: 1_000_000,
  rounds: 5,
  roundMs: 3_000,
  warmUpMs: 2_000,
};

/** Under a minute: shows that all is wired up. Its ratios are not those of the targets. */
export const QUICK: Sizes = {
  smallKeys: 5_000,
  largeKeys: 50_000,
  rounds: 3,
  roundMs: 1_000,
  warmUpMs: 1_000,
};

/** Whatever hangs, the run ends; several times what an idle machine takes. */
export const WHOLE_RUN_MS = 15 * 60_000;
