import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Origin } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LIMITS } from "../limits.ts";
import { gatherGroup } from "../store/answering/gather-group.ts";
import type { RunnerDeps } from "../deps.ts";
import type { Claimed } from "../runs/claimed.ts";
import { persist } from "../persist.ts";

/**
 * What came apart and belongs together, such as the files of an album, is answered together: before its
 * model is asked, a turn of a group takes in those of its group that wait right behind it, until none has
 * come for as long as the slowest of them says. Each was accepted as a turn of its own and is one again where this one ends
 * otherwise; one that comes too late stays one.
 * @throws the signal's reason
 */
export async function gather(
  deps: Pick<RunnerDeps, "db" | "clock" | "log" | "metrics">,
  { turn, run }: Pick<Claimed, "turn" | "run">,
): Promise<void> {
  const { groupId } = turn.origin;
  if (groupId === "") return;
  const host = { ...turn, runId: run.runId };
  let gathered = 0;
  let quietMs = quietOf(turn.origin);
  while (gathered < LIMITS.steersPerTurn) {
    await deps.clock.sleep(quietMs, run.signal);
    const more = await persist(deps, "gather a group", () => gatherGroup(deps.db, host, groupId));
    if (more.length === 0) break;
    gathered += more.length;
    quietMs = Math.max(quietMs, ...more.map(quietOf));
  }
  if (gathered > 0) run.log.info({ gathered }, "turns of one group are answered together");
}

/** How long the next may take after this one. */
function quietOf({ groupQuiet }: Origin): number {
  return Math.max(LIMITS.groupQuietMs, groupQuiet === undefined ? 0 : durationMs(groupQuiet));
}
