import { type CallContext, notFound } from "@lanekeeper/rpc";
import { isKeyWithin } from "@lanekeeper/session-key";
import type { DeliveryContext } from "../context.ts";
import { readRoute } from "../store/routes/configure-route.ts";
import type { RouteRow } from "../store/routes/route-row.ts";
import { parseUuid } from "./fields.ts";

/**
 * The tenant's route of this id, if the caller may reach its key.
 * @throws INVALID_REQUEST, NOT_FOUND, the same where there is none and where the key is out of bounds
 */
export async function findRoute(
  { db }: Pick<DeliveryContext, "db">,
  routeId: string,
  call: CallContext,
): Promise<RouteRow> {
  const id = parseUuid("route_id", routeId);
  const route = await readRoute(db, call.tenant, id);
  if (route === undefined || !isKeyWithin(route.sessionKey, call)) throw notFound("route", id);
  return route;
}
