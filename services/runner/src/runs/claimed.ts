import type { LaneTurn } from "../store/turn-row.ts";
import type { LocalRun } from "./local-runs.ts";
import type { StoredStream } from "../attaching/stream-hub.ts";

/** A turn of a lane that this replica has claimed. */
export interface Claimed {
  readonly turn: LaneTurn;
  readonly run: LocalRun;
  readonly stored: StoredStream;
}
