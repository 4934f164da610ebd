import { inTrace } from "@lanekeeper/service";
import type { Collaborators } from "../collaborators.ts";
import type { RunSlot } from "../lanes/run-slots.ts";
import type { LaneTurn, StoredTurn } from "../store/turn-row.ts";
import { logOf } from "../turn-fields.ts";
import type { Claimed } from "./claimed.ts";

/** A held turn whose run counts as one of this replica's until it is closed. */
export interface OpenRun<T extends StoredTurn = LaneTurn> extends Claimed<T> {
  close(): Promise<void>;
}

/** Opens runs of this replica, with or without a lane. */
export class OpenRuns {
  readonly #parts: Pick<Collaborators, "deps" | "runs" | "hub">;
  #isTimeUp = false;

  constructor(parts: Pick<Collaborators, "deps" | "runs" | "hub">) {
    this.#parts = parts;
  }

  /** The slot is freed as the run is closed. */
  open<T extends StoredTurn>(turn: T, runId: string, slot: RunSlot): OpenRun<T> {
    const { deps, runs, hub } = this.#parts;
    const { tenant, sessionKey, turnId } = turn;
    const log = inTrace(deps.log, turn.traceparent);
    const ofRun = logOf(deps.log, turn, { run_id: runId });
    const run = runs.open({ tenant, sessionKey, turnId, runId, log: ofRun });
    // One whose claim was on its way when the time was over goes back at once.
    if (this.#isTimeUp) runs.abort(runId, { kind: "draining" });
    const stored = hub.open(tenant, turnId, log);
    run.slot = slot;
    const close = (): Promise<void> => {
      stored.close();
      runs.close(runId);
      return slot.free();
    };
    return { turn, run, stored, close };
  }

  /** Those that are open, and those that will be, go back to their queues. */
  timeIsUp(): void {
    this.#isTimeUp = true;
    this.#parts.runs.abortAll({ kind: "draining" });
  }
}
