import { type CallContext, notFound } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { readRoute } from "../store/configure-route.ts";
import type { RouteRow } from "../store/route-row.ts";
import { parseSessionKey, parseUuid, requireAgent } from "./fields.ts";

/**
 * The tenant's route of this id, if the caller may have to do with its agent.
 * @throws INVALID_REQUEST, NOT_FOUND, PERMISSION_DENIED
 */
export async function findRoute(
  { db }: Pick<DeliveryContext, "db">,
  routeId: string,
  call: CallContext,
): Promise<RouteRow> {
  const id = parseUuid("route_id", routeId);
  const route = await readRoute(db, call.tenant, id);
  if (route === undefined) throw notFound("route", id);
  requireAgent(parseSessionKey("session_key", route.sessionKey), call);
  return route;
}
