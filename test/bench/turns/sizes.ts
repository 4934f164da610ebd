/** How much is measured. */
export interface Sizes {
  /** Conversations that the turns are spread over. */
  readonly keys: number;
  /** Turns of a row with one caller, with eight, with 64. */
  readonly turns: Readonly<Record<Callers, number>>;
  /** Jobs of graphile-worker's rows. */
  readonly jobs: Readonly<Record<Callers, number>>;
  /** Times that each row is measured, ours and graphile-worker's in turn. */
  readonly rounds: number;
  /** Turns before the first row: code is compiled, plans are cached, streams are open. */
  readonly warmUpTurns: number;
  /** Turns that wait in the hot lane at once. */
  readonly hotTurns: number;
}

export const CALLERS = [1, 8, 64] as const;
export type Callers = (typeof CALLERS)[number];

/** About four minutes on two cores. */
export const FULL: Sizes = {
  keys: 1_000,
  turns: { 1: 500, 8: 2_000, 64: 5_000 },
  jobs: { 1: 500, 8: 1_000, 64: 500 },
  rounds: 3,
  warmUpTurns: 2_000,
  hotTurns: 1_000,
};

/** Under a minute: shows that all is wired up. Its figures are not those of the targets. */
export const QUICK: Sizes = {
  keys: 100,
  turns: { 1: 50, 8: 200, 64: 400 },
  jobs: { 1: 50, 8: 200, 64: 200 },
  rounds: 1,
  warmUpTurns: 200,
  hotTurns: 100,
};

/** Whatever hangs, the run ends; several times what an idle machine takes. */
export const WHOLE_RUN_MS = 15 * 60_000;
