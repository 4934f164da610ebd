/** What the harness orders a process, over its IPC channel. */
export type Order =
  /** Gets the signal at the point's `pass`th passing from now on, from 1. */
  | {
      readonly kind: "arm";
      readonly point: string;
      readonly signal: "SIGKILL" | "SIGSTOP";
      readonly pass: number;
    }
  | { readonly kind: "disarm" }
  /** Its clock, other than timers and the monotonic one, is so much ahead of the machine's. */
  | { readonly kind: "clock"; readonly aheadMs: number };

/** What a process tells before it gets the signal that it is armed with. */
export interface Reached {
  readonly reached: string;
}
