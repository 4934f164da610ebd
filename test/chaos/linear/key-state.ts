/** What became of a run's right. */
export type Fate = "holds" | "ended" | "taken_over" | "rotated";

export interface RunState {
  readonly epoch: number;
  /** The generation in which it began. */
  readonly begun: number;
  readonly fate: Fate;
  readonly outcome: string;
  readonly lastSeq: number;
  /** What it wrote, by event_seq. */
  readonly written: Readonly<Record<string, string>>;
}

/** All that the contract knows of one key. No clock: when a lease is over is the judge of G4's matter. */
export interface KeyState {
  /** 0: nobody has come yet. */
  readonly generation: number;
  /** Of this generation; empty: nobody was told yet. */
  readonly sessionId: string;
  readonly epoch: number;
  /** The run that holds the key; empty: none. */
  readonly holder: string;
  readonly runs: Readonly<Record<string, RunState>>;
  /** Rotations by request id: the generation that each made, and what it expected. */
  readonly requests: Readonly<Record<string, { generation: number; expected: number }>>;
}

export const NOBODY: KeyState = {
  ...{ generation: 0, sessionId: "", epoch: 0, holder: "", runs: {}, requests: {} },
};

/** The state with one run changed. */
export function withRun(state: KeyState, run: string, changed: Partial<RunState>): KeyState {
  const known = state.runs[run];
  if (known === undefined) throw new Error(`run ${run} never began`);
  return { ...state, runs: { ...state.runs, [run]: { ...known, ...changed } } };
}

/** The state once its id is told; undefined where another one was. */
export function told(state: KeyState, sessionId: string): KeyState | undefined {
  if (state.sessionId === "") return { ...state, sessionId };
  return state.sessionId === sessionId ? state : undefined;
}
