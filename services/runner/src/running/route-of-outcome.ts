import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { ChildTurn } from "../store/child-turns.ts";
import { readTurn } from "../store/read-turn.ts";
import type { RunnerDeps } from "./deps.ts";

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
): Promise<string> {
  const parent = await readTurn(deps.db, tenant, parentTurnId);
  const isToParent = parent?.parentTurnId !== undefined;
  if (parent !== undefined && parent.routeId !== "" && !isToParent) return parent.routeId;
  return defaultRouteOf(deps, { tenant, principal }, sessionKey);
}

/**
 * The route of messages that answer no turn of a person, as delivery has it: the default one, or the only
 * one. Empty: there is none, or it would be a guess.
 */
async function defaultRouteOf(
  { delivery }: RouteDeps,
  call: { readonly tenant: string; readonly principal: string },
  sessionKey: string,
): Promise<string> {
  const { routes } = await delivery.listRoutes({ sessionKey }, call);
  const [first, ...others] = routes.filter(({ kind }) => kind !== RouteKind.PARENT_SESSION);
  const marked = [first, ...others].find((route) => route?.isDefault === true);
  return (marked ?? (others.length === 0 ? first : undefined))?.routeId ?? "";
}
