import type { TracedWork } from "@lanekeeper/rpc";
import type { ChildTurn } from "../store/nested/child-turns.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import { defaultRouteOf } from "./default-route.ts";
import type { RunnerDeps } from "../deps.ts";

type RouteDeps = Pick<RunnerDeps, "db" | "delivery">;

/**
 * Where a session says what it makes of a nested turn's outcome, which nobody waits for: where the answer
 * went that sent the nested turn, or, where that went to nobody but those attached, by the session's
 * default route. A route to a parent session is for the one answer that it was made for.
 */
export async function routeOfOutcome(
  deps: RouteDeps,
  { tenant, principal, parentTurnId }: ChildTurn,
  sessionKey: string,
  within: TracedWork,
): Promise<string> {
  const parent = await readTurn(deps.db, tenant, parentTurnId);
  const isToParent = parent?.parentTurnId !== undefined;
  if (parent !== undefined && parent.routeId !== "" && !isToParent) return parent.routeId;
  return defaultRouteOf(deps, { tenant, principal, within }, sessionKey);
}
