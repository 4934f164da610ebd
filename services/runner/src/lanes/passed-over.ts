import { LIMITS } from "../limits.ts";
import { laneName } from "../domain/lane-name.ts";
import type { LocalRuns, Room } from "../runs/local-runs.ts";

interface Parts {
  readonly runs: Pick<LocalRuns, "hold" | "hasSlot" | "onRoom">;
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

/**
 * Lanes of which somebody here wanted to run the head and could not, as this replica ran as many turns as it
 * may: each once, the first the first. As soon as there is room they are looked at again; before all of them go
 * turns whose run died, whose lanes wait for longest. Sweeps find them too, some at a time, and other replicas'
 * sweeps at once.
 */
export class PassedOver {
  readonly #parts: Parts;
  readonly #lanes = new Map<string, Lane>();
  readonly #dead = new Map<string, DeadRun>();

  constructor(parts: Parts) {
    this.#parts = parts;
    parts.runs.onRoom = () => this.#look();
  }

  /** For a run of the lane. Undefined: none may begin here now; the lane is looked at again once one may. */
  roomFor(tenant: string, sessionKey: string): Room | undefined {
    if (this.#parts.isDraining()) return undefined;
    const room = this.#parts.runs.hold();
    if (room === undefined) this.#add({ tenant, sessionKey });
    return room;
  }

  /** To go on where a run died. Undefined: none may now; it is gone on with once one may. */
  roomToGoOn(dead: DeadRun): Room | undefined {
    if (this.#parts.isDraining()) return undefined;
    const room = this.#parts.runs.hold();
    if (room === undefined && this.#dead.size < LIMITS.passedOverLanes) {
      this.#dead.set(dead.turnId, dead);
    }
    return room;
  }

  /** Past the bound it is left to the sweeps. */
  #add(lane: Lane): void {
    const name = laneName(lane.tenant, lane.sessionKey);
    if (this.#lanes.size < LIMITS.passedOverLanes && !this.#lanes.has(name)) {
      this.#lanes.set(name, lane);
    }
  }

  #look(): void {
    const { runs, isDraining, pump, goOn } = this.#parts;
    for (const [turnId, dead] of this.#dead) {
      if (isDraining() || !runs.hasSlot) return;
      this.#dead.delete(turnId);
      goOn(dead);
    }
    for (const [name, { tenant, sessionKey }] of this.#lanes) {
      if (isDraining() || !runs.hasSlot) return;
      this.#lanes.delete(name);
      pump(tenant, sessionKey);
    }
  }
}
