import { type ClockTimer, UnderWay } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { readLane } from "../store/lanes/lane-row.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { Attachments } from "../attaching/attachments.ts";
import type { RunnerDeps } from "../deps.ts";
import type { OnRotated } from "../runs/rotations.ts";
import type { Takeovers } from "../lanes/takeovers.ts";

type Deps = Pick<RunnerDeps, "db" | "clock" | "log">;

/**
 * A replica whose callers wait behind a run of another replica ends that run's turn itself, if the run
 * was rotated away and its own replica, which is told first, has not done so: it may be dead.
 */
export class RotatedBehind {
  readonly #deps: Deps;
  readonly #takeovers: Pick<Takeovers, "takeOver">;
  readonly #attachments: Pick<Attachments, "hasLane">;
  readonly #timers = new Set<ClockTimer>();
  readonly #looks = new UnderWay();
  #stopped = false;

  constructor(
    deps: Deps,
    takeovers: Pick<Takeovers, "takeOver">,
    attachments: Pick<Attachments, "hasLane">,
  ) {
    this.#deps = deps;
    this.#takeovers = takeovers;
    this.#attachments = attachments;
  }

  /** To be told of keys that no run holds: a run that is still recorded there may have been rotated away. */
  readonly onRotated: OnRotated = (tenant, { ref }) => {
    if (ref === undefined || this.#stopped) return;
    const { sessionKey, generation } = ref;
    if (!this.#attachments.hasLane(tenant, sessionKey)) return;
    const { clock, log } = this.#deps;
    const timer = clock.setTimer(LIMITS.rotatedGraceMs, () => {
      this.#timers.delete(timer);
      const look = this.#look(tenant, sessionKey, generation).catch((err: unknown) => {
        log.warn({ err, tenant, session_key: sessionKey }, "a rotated lane was not looked at");
      });
      this.#looks.add(look);
    });
    this.#timers.add(timer);
  };

  /** Looks no more; resolves when it is at no lane. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    await this.#looks.settled();
  }

  async #look(tenant: string, sessionKey: string, generation: bigint): Promise<void> {
    const { db } = this.#deps;
    const lane = await readLane(db, tenant, sessionKey);
    if (lane?.activeTurnId === undefined || this.#stopped) return;
    const turn = await readTurn(db, tenant, lane.activeTurnId);
    const isRotated = turn?.state === "ACTIVE" && (turn.generation ?? generation) < generation;
    if (isRotated && !this.#stopped) this.#takeovers.takeOver({ ...turn, sessionKey });
  }
}
