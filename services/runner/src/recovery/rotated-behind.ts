import { LIMITS } from "../limits.ts";
import { readLane } from "../store/lanes/lane-row.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { Attachments } from "../attaching/attachments.ts";
import type { RunnerDeps } from "../deps.ts";
import type { OnRotated } from "../runs/rotations.ts";
import type { Runner } from "../lanes/runner.ts";

/**
 * A replica whose callers wait behind a run of another replica ends that run's turn itself, if the run
 * was rotated away and its own replica, which is told first, has not done so: it may be dead.
 */
export function endRotatedBehind(
  deps: Pick<RunnerDeps, "db" | "clock" | "log">,
  runner: Runner,
  attachments: Attachments,
): OnRotated {
  const look = async (tenant: string, sessionKey: string, generation: bigint): Promise<void> => {
    const lane = await readLane(deps.db, tenant, sessionKey);
    if (lane?.activeTurnId === undefined) return;
    const turn = await readTurn(deps.db, tenant, lane.activeTurnId);
    const isRotated = turn?.state === "ACTIVE" && (turn.generation ?? generation) < generation;
    if (isRotated) runner.takeOver({ ...turn, sessionKey });
  };
  return (tenant, sessionKey, generation) => {
    if (!attachments.hasLane(tenant, sessionKey)) return;
    deps.clock.setTimer(LIMITS.rotatedGraceMs, () => {
      look(tenant, sessionKey, generation).catch((err: unknown) => {
        deps.log.warn({ err, tenant, session_key: sessionKey }, "a rotated lane was not looked at");
      });
    });
  };
}
