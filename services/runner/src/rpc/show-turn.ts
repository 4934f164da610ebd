import type { RunnerContext } from "../context.ts";
import { readPosition } from "../store/lanes/read-position.ts";
import { readRuns } from "../store/attaching/read-turn.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import { turnMessage, type TurnInit } from "./turn-message.ts";

/** One turn with its runs and its place. */
export async function showStored({ deps }: RunnerContext, turn: StoredTurn): Promise<TurnInit> {
  const { tenant, turnId, sessionKey, state } = turn;
  const [runs, found] = await Promise.all([
    readRuns(deps.db, tenant, [turnId]),
    state === "QUEUED" && sessionKey !== undefined
      ? readPosition(deps.db, tenant, sessionKey, turnId)
      : undefined,
  ]);
  return turnMessage(turn, runs, found?.position ?? 0);
}
