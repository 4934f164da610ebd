import type { Fence, RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Ending } from "../domain/ending.ts";
import type { TurnStateName } from "../domain/turn-state.ts";
import type { EventChunk } from "../store/attaching/turn-events.ts";
import type { GivenBack } from "../store/runs/end-unanswered.ts";
import type { LaneTurn } from "../store/turn-row.ts";

/** A run that ends its turn: its own, or one that its successor carries through. */
export interface EndingRun {
  readonly turn: LaneTurn;
  readonly runId: string;
  readonly fence: Fence;
  /** Told, and not yet stored. */
  readonly chunk: () => EventChunk | undefined;
  /** The number of the last event. */
  readonly endedStreamSeq: bigint;
  /** Its model is asked no more. */
  readonly isSpent?: boolean;
}

/** How a run gives its turn back. */
export interface Left extends GivenBack {
  readonly outcome: RunOutcome;
  /** For people: why the run came to nothing. */
  readonly because: string;
}

/** How a turn left its run. */
export type TurnExit =
  /** The ending that was prepared is the turn's. */
  | {
      readonly kind: "committed";
      readonly ending: Ending;
      readonly isRouted: boolean;
      /** Turns that wait in the lane; undefined: not known. */
      readonly depth: number | undefined;
    }
  /** The turn ended without an answer of its own. */
  | {
      readonly kind: "ended";
      readonly state: TurnStateName;
      readonly errorReason: string;
      readonly errorMessage: string;
    }
  /** Another run of the turn will go on. */
  | { readonly kind: "requeued"; readonly left: Pick<Left, "because" | "isSpared"> }
  /** The turn is somebody else's. */
  | { readonly kind: "lost" }
  /** Session-identity could not be asked before the process ended; a successor carries it through. */
  | { readonly kind: "left" };
