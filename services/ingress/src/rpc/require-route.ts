import type { DeliveryClient } from "@lanekeeper/client";
import type { CallContext } from "@lanekeeper/rpc";
import { isBound } from "@lanekeeper/session-key";

/** Tells whether a caller may know of a route: judged by its key, as in any call about it. */
export type RouteJudge = Pick<DeliveryClient, "listRouteChanges">;

/**
 * That a bound credential names a route of its own keys: what is said there would go where others are.
 * Empty: no route is named. @throws NOT_FOUND, the same where there is none and where its key is out of
 * bounds; INVALID_REQUEST for what is no route's id
 */
export async function requireRoute(
  delivery: RouteJudge,
  parent: CallContext,
  routeId: string,
): Promise<void> {
  if (routeId === "" || !isBound(parent)) return;
  await delivery.listRouteChanges({ routeId, pageSize: 1 }, { parent });
}
