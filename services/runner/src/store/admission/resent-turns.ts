import { type Batcher, createBatcher, isUnavailable } from "@lanekeeper/postgres";
import { LIMITS } from "../../limits.ts";
import { lotOf } from "./insert-lane-turn.ts";
import { type AdmittedInput, insertResentTurns } from "./insert-resent-turns.ts";
import type { LaneAdmission } from "./new-turn.ts";
import type { RunnerDatabase } from "../sql.ts";
import { laneName } from "../../domain/lane-name.ts";

type OfLane = Batcher<LaneAdmission, AdmittedInput | undefined>;

/**
 * Admits turns whose requests resend what was said before: those that come for a lane while a transaction
 * of it is under way go together in the next. So a lane takes one connection, however many ask, and lanes
 * do not wait for each other.
 */
export class ResentTurns {
  readonly #db: RunnerDatabase;
  readonly #lanes = new Map<string, { readonly batcher: OfLane; calls: number }>();

  constructor(db: RunnerDatabase) {
    this.#db = db;
  }

  /**
   * Admits a turn into its lane; undefined: it was refused, and nothing was changed.
   * @throws the unique violation of `idempotency_pkey` where a twin won the race, and
   * BatcherOverloadedError.
   */
  async admit(turn: LaneAdmission): Promise<AdmittedInput | undefined> {
    const { tenant, session } = turn.turn;
    const key = laneName(tenant, session.sessionKey);
    const lane = this.#lanes.get(key) ?? { batcher: this.#ofLane(), calls: 0 };
    this.#lanes.set(key, lane);
    lane.calls += 1;
    try {
      return await lane.batcher.submit(turn);
    } finally {
      lane.calls -= 1;
      if (lane.calls === 0) this.#lanes.delete(key);
    }
  }

  #ofLane(): OfLane {
    return createBatcher({
      run: (turns: readonly LaneAdmission[]) => insertResentTurns(this.#db, turns),
      keyOf: () => "",
      lotOf: resentLotOf,
      isOutage: isUnavailable,
      maxBatch: LIMITS.stepsPerStatement,
      maxWaiting: LIMITS.stepsWaiting,
    });
  }
}

/** Of one session, so that what is known of it holds for all; and of one route, which has room or has not. */
function resentLotOf(one: LaneAdmission): string | undefined {
  const lot = lotOf(one);
  const { session, routeId } = one.turn;
  return lot && JSON.stringify([lot, session.sessionId, String(session.generation), routeId]);
}
