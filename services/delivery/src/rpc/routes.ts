import { isUnavailable } from "@lanekeeper/postgres";
import type { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type Allow, type PeerName, type Routes, storeUnavailable } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { enqueueDelivery } from "./enqueue-delivery.ts";
import { getDelivery } from "./get-delivery.ts";
import { listDeliveries } from "./list-deliveries.ts";
import { listRoutes } from "./list-routes.ts";
import { registerRoute } from "./register-route.ts";
import { watchSessions } from "./watch-sessions.ts";

/** Replies come from the runner's outbox alone; the rest is asked by whoever stands nearer to people. */
const NEARER: readonly PeerName[] = ["ingress", "runner", "cli"];

export const ALLOW: Allow<typeof DeliveryService> = {
  registerRoute: NEARER,
  listRoutes: NEARER,
  enqueueDelivery: ["runner"],
  getDelivery: NEARER,
  listDeliveries: NEARER,
  watchSessions: NEARER,
};

/** Delivery's RPCs, one file each. */
export function deliveryRoutes(context: DeliveryContext): Routes<typeof DeliveryService> {
  return {
    registerRoute: (request, call) => stored(() => registerRoute(context, request, call)),
    listRoutes: (request, call) => stored(() => listRoutes(context, request, call)),
    enqueueDelivery: (request, call) => stored(() => enqueueDelivery(context, request, call)),
    getDelivery: (request, call) => stored(() => getDelivery(context, request, call)),
    listDeliveries: (request, call) => stored(() => listDeliveries(context, request, call)),
    watchSessions: (request, call) => watchSessions(context, request, call),
  };
}

/** A database that cannot be asked is STORE_UNAVAILABLE: every call here may be repeated. */
async function stored<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw storeUnavailable("the database cannot be asked now; ask again", error);
  }
}
