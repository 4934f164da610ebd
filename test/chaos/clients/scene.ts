import type { Recorder } from "../history/recorder.ts";
import type { Cluster } from "../world/cluster.ts";
import type { Doors } from "../world/doors.ts";

/** What every client has. */
export interface Scene {
  readonly recorder: Recorder;
  readonly cluster: Cluster;
  readonly doors: Doors;
  readonly seed: number;
  /** Ends the clients' work. */
  readonly over: AbortSignal;
  /** Where replies are posted to. */
  readonly sinkUrl: string;
}

/** Faults make every call a guess: short, so that clients go on, and longer than a busy machine takes. */
export const CALL_MS = 2_500;

/** Notes a fault that a client makes itself, from its begin to its end. */
export async function making<T>(
  { recorder }: Scene,
  kind: string,
  target: string,
  work: () => Promise<T>,
): Promise<T> {
  recorder.saw("fault", { kind, target, state: "begin" });
  try {
    return await work();
  } finally {
    recorder.saw("fault", { kind, target, state: "end" });
  }
}

/** Does something again and again until the scene is over; a pause in between, at random. */
export async function untilOver({ over }: Scene, work: () => Promise<void>): Promise<void> {
  while (!over.aborted) await work();
}
