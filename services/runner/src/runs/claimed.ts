import type { LaneTurn, StoredTurn } from "../store/turn-row.ts";
import type { LocalRun } from "./local-runs.ts";
import type { StoredStream } from "../attaching/stored-stream.ts";

/** A turn that this replica holds, with its run here and the stream of its events. */
export interface Claimed<T extends StoredTurn = LaneTurn> {
  readonly turn: T;
  readonly run: LocalRun;
  readonly stored: StoredStream;
}
