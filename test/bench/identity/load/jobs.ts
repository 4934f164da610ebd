/** What the load process is asked to do, one job at a time. Times are milliseconds. */
export type Job =
  | ({ readonly kind: "empty"; readonly target: string } & Loop)
  | ({ readonly kind: "resolve"; readonly target: string; readonly keys: Picks } & Loop)
  | ({ readonly kind: "lifecycle"; readonly target: string; readonly keys: Keys } & Loop)
  | ({ readonly kind: "compare-and-set"; readonly database: Compared } & Loop);

/** How much. It ends with the time, or once each key was picked. */
export interface Loop {
  readonly inFlight: number;
  readonly forMs?: number;
}

/** Keys by their index. */
export interface Keys {
  readonly first: number;
  readonly count: number;
}

export type Picks = Keys & { readonly order: "random" | "each-once" };

/** Where the baseline of writes runs, and the service that its runs begin at. */
export interface Compared {
  readonly url: string;
  readonly poolSize: number;
  readonly target: string;
  readonly keys: Keys;
}

/** What came of a job. Any call that failed fails the job. */
export interface Measured {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50Ms: number;
}
