import type { TracedWork } from "@lanekeeper/rpc";
import type { Collaborators } from "../collaborators.ts";
import { takeOverTurn } from "../recovery/takeover.ts";
import type { Room } from "../runs/rooms.ts";
import type { OpenRun, OpenRuns } from "../runs/open-runs.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import { isOfLane, type LaneTurn } from "../store/turn-row.ts";
import { inTurnSpan, tracedParts } from "../turn-fields.ts";
import type { DeadRun, PassedOver } from "./passed-over.ts";

/** Where work belongs, for the log where it fails. */
export interface LaneWork extends TracedWork {
  readonly tenant: string;
  readonly sessionKey: string | undefined;
}

/** What going on with dead runs' turns needs of the runner. */
export interface TakeoverParts {
  readonly parts: Collaborators;
  readonly open: OpenRuns;
  readonly passedOver: Pick<PassedOver, "roomToGoOn">;
  /** Aborted: no run may begin here any more. */
  readonly ending: AbortSignal;
  /** Claims what waits in a lane that was freed, and runs it. */
  readonly claimNext: (tenant: string, sessionKey: string) => Promise<void>;
  readonly background: (of: LaneWork, work: Promise<void>) => void;
}

/** Goes on with turns whose run died, here or elsewhere, each in one place of this replica at a time. */
export class Takeovers {
  readonly #options: TakeoverParts;
  readonly #under = new Set<string>();

  constructor(options: TakeoverParts) {
    this.#options = options;
  }

  /** Where there is no room, as soon as there is. */
  takeOver(turn: LaneTurn): void {
    const { tenant, turnId, runId: deadRunId } = turn;
    if (deadRunId === undefined || !this.#mayTakeOver(turnId, deadRunId)) return;
    const room = this.#options.passedOver.roomToGoOn({ tenant, turnId, runId: deadRunId });
    if (room !== undefined) {
      this.#options.background(turn, this.#takeOverInto(room, turn, deadRunId));
    }
  }

  /** There is room now. Somebody else may have gone on with it meanwhile. */
  goOn({ tenant, turnId, runId }: DeadRun): void {
    const { deps, runs } = this.#options.parts;
    const room = runs.rooms.hold(tenant);
    if (room === undefined) return;
    const work = readTurn(deps.db, tenant, turnId).then(async (turn) => {
      const isOpen = turn?.state === "ACTIVE" || turn?.state === "QUEUED";
      if (!isOpen || !isOfLane(turn) || turn.runId !== runId) return;
      if (this.#mayTakeOver(turnId, runId)) await this.#takeOverInto(room, turn, runId);
    });
    const done = work.finally(() => room.release());
    this.#options.background({ tenant, sessionKey: undefined }, done);
  }

  #mayTakeOver(turnId: string, deadRunId: string): boolean {
    const { ending, parts } = this.#options;
    if (ending.aborted || this.#under.has(turnId)) return false;
    // Not dead after all: only its renewals could not be stored.
    return !parts.runs.has(deadRunId);
  }

  async #takeOverInto(room: Room, turn: LaneTurn, deadRunId: string): Promise<void> {
    const { parts, claimNext } = this.#options;
    this.#under.add(turn.turnId);
    const traced = tracedParts(parts, turn);
    const isFreed = await inTurnSpan("runner.takeover", turn, deadRunId, () =>
      takeOverTurn(traced, { turn, deadRunId }, (taken) => this.#openAnew(taken, room)),
    ).finally(() => {
      room.release();
      this.#under.delete(turn.turnId);
    });
    if (isFreed) await claimNext(turn.tenant, turn.sessionKey);
  }

  /** A turn that ran before goes on before any new one begins. */
  async #openAnew(turn: LaneTurn, room: Room): Promise<OpenRun> {
    const { parts, open, ending } = this.#options;
    const { slots, deps } = parts;
    const slot = await slots.takeAgain(turn.tenant, turn.agentId, ending);
    const opened = open.open(turn, deps.runIds.mint(), slot);
    room.release();
    return opened;
  }
}
