/** What the load processes are asked to do, one job at a time. Times are milliseconds. */
export interface LoadJob {
  /** Begins the label of each turn's request: every job has its own. */
  readonly name: string;
  readonly callers: number;
  readonly turns: number;
  /** Conversations, drawn at random unless each is to have its turn after the one before; the names of two jobs with the same `keysOf` are the same. */
  readonly keys: number;
  readonly keysOf: string;
  readonly inOrder?: boolean;
}

/** What came of a job. */
export interface Measured {
  readonly turns: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What was answered otherwise than with a turn that completed, by what was said. */
  readonly failures: Readonly<Record<string, number>>;
  /** Ids of the turns, as answered. */
  readonly turnIds: readonly string[];
}
