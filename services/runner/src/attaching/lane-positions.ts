import { LIMITS } from "../limits.ts";
import { type Position, readPositions } from "../store/lanes/read-position.ts";
import type { Sql } from "../store/sql.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { RunnerDeps } from "../deps.ts";
import { laneName } from "../domain/lane-name.ts";

type PositionDeps = Pick<RunnerDeps, "clock"> & { readonly db: Sql };

type Placed = Pick<StoredTurn, "tenant" | "sessionKey" | "turnId" | "state">;

interface Looked {
  readonly atMs: number;
  readonly positions: Promise<ReadonlyMap<string, Position>>;
}

/**
 * Where the waiting turns of a lane stand, read once for all who wait there: a thousand callers of one
 * lane would else read a thousand queues of a thousand turns each second.
 */
export class LanePositions {
  readonly #deps: PositionDeps;
  readonly #lanes = new Map<string, Looked>();

  constructor(deps: PositionDeps) {
    this.#deps = deps;
  }

  /** At most `positionAgeMs` old. Undefined: the turn waits no more, or did not wait then. */
  of(tenant: string, sessionKey: string, turnId: string): Promise<Position | undefined> {
    return this.#in(this.#look(tenant, sessionKey), turnId);
  }

  /**
   * How many turns are before a turn that was just read; 0: it does not wait. Where the last look is older
   * than the turn, all who find so take the next look together.
   */
  async before({ tenant, sessionKey, turnId, state }: Placed): Promise<number> {
    if (state !== "QUEUED" || sessionKey === undefined) return 0;
    const looked = this.#look(tenant, sessionKey);
    const found = await this.#in(looked, turnId);
    if (found !== undefined) return found.position;
    const lane = laneName(tenant, sessionKey);
    if (this.#lanes.get(lane) === looked) this.#lanes.delete(lane);
    return (await this.of(tenant, sessionKey, turnId))?.position ?? 0;
  }

  async #in({ atMs, positions }: Looked, turnId: string): Promise<Position | undefined> {
    const found = (await positions).get(turnId);
    const ageMs = this.#deps.clock.monotonicMs() - atMs;
    return found && { ...found, waitedMs: found.waitedMs + ageMs };
  }

  #look(tenant: string, sessionKey: string): Looked {
    const atMs = this.#deps.clock.monotonicMs();
    this.#forgetBefore(atMs - LIMITS.positionAgeMs);
    const lane = laneName(tenant, sessionKey);
    const known = this.#lanes.get(lane);
    if (known !== undefined) return known;
    const positions = readPositions(this.#deps.db, tenant, sessionKey);
    const looked = { atMs, positions };
    this.#lanes.set(lane, looked);
    positions.catch(() => this.#lanes.delete(lane));
    return looked;
  }

  /** A Map keeps the order of insertion: the oldest come first. */
  #forgetBefore(ms: number): void {
    for (const [lane, { atMs }] of this.#lanes) {
      if (atMs >= ms) return;
      this.#lanes.delete(lane);
    }
  }
}
