import type { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { LanekeeperError } from "@lanekeeper/rpc";
import type { Stop, StoredTurn } from "../store/turn-row.ts";

/** What became of a request. */
export interface AdmissionResult {
  readonly turn: StoredTurn;
  readonly disposition: Disposition;
  /** What the caller is told in its place; left out: that. */
  readonly toldAs?: Disposition;
  readonly position: number;
  /** The run that holds the turn already, of this replica. */
  readonly claimedRunId: string | undefined;
  /** A run that the turn stops. */
  readonly stopped: { readonly runId: string; readonly stop: Stop } | undefined;
  /** A waiting turn that made room for it. */
  readonly droppedTurnId?: string | undefined;
}

/** How a turn is to be admitted here. */
export interface AdmissionOptions {
  /** The run that takes the turn where its lane is free; undefined: none may begin here now. */
  readonly claimRunId: string | undefined;
  /** The caller waits here: this replica is preferred to run the turn. */
  readonly hasCaller: boolean;
  readonly maxWaiting: number;
  /** With what the turn is refused if it is new; who repeats a request joins its turn all the same. */
  readonly refusal?: LanekeeperError | undefined;
}
