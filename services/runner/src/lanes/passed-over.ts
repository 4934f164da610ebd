import { LIMITS } from "../limits.ts";
import { laneName } from "../domain/lane-name.ts";
import type { LocalRuns } from "../runs/local-runs.ts";
import type { Room } from "../runs/rooms.ts";
import { FairQueue } from "./fair-queue.ts";

interface Parts {
  readonly runs: Pick<LocalRuns, "rooms" | "onRoom">;
  readonly isDraining: () => boolean;
  /** Asks for room for the lane at once, and claims its head. */
  readonly pump: (tenant: string, sessionKey: string) => void;
  /** Asks for room for the turn at once, and goes on with it if that run still has it. */
  readonly goOn: (dead: DeadRun) => void;
}

/** A run that died, and whose turn it had. */
export interface DeadRun {
  readonly tenant: string;
  readonly turnId: string;
  readonly runId: string;
}

interface Lane {
  readonly tenant: string;
  readonly sessionKey: string;
}

const BOUNDS = {
  forAll: LIMITS.passedOverLanes,
  keptForFew: LIMITS.passedOverKeptForFew,
  few: LIMITS.fewOfTenant,
};

/**
 * Lanes of which somebody here wanted to run the head and could not, as this replica ran as many turns as it, or
 * their tenant, may. As soon as there is room they are looked at again; before all of them go turns whose run
 * died, whose lanes wait for longest. Past the bounds it is left to the sweeps, which find them too, some at a time, as
 * other replicas' do at once.
 */
export class PassedOver {
  readonly #parts: Parts;
  readonly #lanes = new FairQueue<Lane>(BOUNDS);
  readonly #dead = new FairQueue<DeadRun>(BOUNDS);

  constructor(parts: Parts) {
    this.#parts = parts;
    parts.runs.onRoom = () => this.#look();
  }

  /** For a run of the lane. Undefined: none may begin here now; the lane is looked at again once one may. */
  roomFor(tenant: string, sessionKey: string): Room | undefined {
    if (this.#parts.isDraining()) return undefined;
    const room = this.#parts.runs.rooms.hold(tenant);
    if (room === undefined) this.#lanes.add(laneName(tenant, sessionKey), { tenant, sessionKey });
    return room;
  }

  /** To go on where a run died. Undefined: none may now; it is gone on with once one may. */
  roomToGoOn(dead: DeadRun): Room | undefined {
    if (this.#parts.isDraining()) return undefined;
    const room = this.#parts.runs.rooms.hold(dead.tenant);
    if (room === undefined) this.#dead.add(dead.turnId, dead);
    return room;
  }

  #look(): void {
    const { runs, isDraining, pump, goOn } = this.#parts;
    while (!isDraining()) {
      const dead = this.#dead.next(runs.rooms);
      const lane = dead === undefined ? this.#lanes.next(runs.rooms) : undefined;
      if (dead !== undefined) goOn(dead);
      else if (lane !== undefined) pump(lane.tenant, lane.sessionKey);
      else return;
    }
  }
}
