import type { RunnerClient } from "@lanekeeper/client";

/** Follows waiting turns to their ends; gives how often a second one of them was told its position. */
export async function watchPositions(
  runner: Pick<RunnerClient, "attachTurn">,
  turnIds: readonly string[],
): Promise<number> {
  const rates = await Promise.all(turnIds.map((turnId) => positionsOf(runner, turnId)));
  return Math.max(0, ...rates);
}

/** Over all of its waiting: two may come closer together than they were sent. */
async function positionsOf(
  runner: Pick<RunnerClient, "attachTurn">,
  turnId: string,
): Promise<number> {
  const atMs: number[] = [];
  for await (const { event } of runner.attachTurn({ target: { case: "turnId", value: turnId } })) {
    if (event.case === "queued") atMs.push(performance.now());
  }
  const [first, last] = [atMs[0], atMs.at(-1)];
  if (first === undefined || last === undefined || atMs.length < 2) return 0;
  return ((atMs.length - 1) / (last - first)) * 1_000;
}
