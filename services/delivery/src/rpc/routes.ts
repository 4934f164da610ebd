import { isUnavailable } from "@lanekeeper/postgres";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import {
  type Allow,
  exchangeHandler,
  type PeerName,
  type Routes,
  storeUnavailable,
} from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { applyChannelAccounts } from "./apply-channel-accounts.ts";
import { configureRoute } from "./configure-route.ts";
import { dismissDelivery } from "./dismiss-delivery.ts";
import { enqueueDelivery } from "./enqueue-delivery.ts";
import { getDelivery } from "./get-delivery.ts";
import { listChannelAccounts } from "./list-channel-accounts.ts";
import { listDeliveries } from "./list-deliveries.ts";
import { listRoutes } from "./list-routes.ts";
import { listRouteChanges } from "./list-route-changes.ts";
import { moveRoutes } from "./move-routes.ts";
import { redriveDelivery } from "./redrive-delivery.ts";
import { registerRoute } from "./register-route.ts";
import { rotateSigningSecret } from "./rotate-signing-secret.ts";
import { showProgress } from "./show-progress.ts";
import { watchSessions } from "./watch-sessions.ts";

/**
 * Replies come from the runner's outbox, answers to commands, which are no turns, from ingress; the
 * rest is asked by whoever stands nearer to people.
 */
const NEARER: readonly PeerName[] = ["ingress", "runner", "cli"];
/** Whoever has what is told or changed here sends as others, or is believed for them: the runner does neither. */
const SECRETS: readonly PeerName[] = ["ingress", "cli"];

export const ALLOW: Allow<typeof DeliveryService> = {
  registerRoute: NEARER,
  listRoutes: NEARER,
  enqueueDelivery: ["runner", "ingress"],
  configureRoute: NEARER,
  listRouteChanges: NEARER,
  moveRoutes: ["ingress"],
  rotateSigningSecret: SECRETS,
  applyChannelAccounts: SECRETS,
  listChannelAccounts: SECRETS,
  redriveDelivery: NEARER,
  dismissDelivery: NEARER,
  showProgress: ["runner"],
  getDelivery: NEARER,
  listDeliveries: NEARER,
  watchSessions: NEARER,
  exchange: ["runner", "ingress"],
};

/** Delivery's RPCs, one file each. */
export function deliveryRoutes(context: DeliveryContext): Routes<typeof DeliveryService> {
  const routes = {
    registerRoute: (request, call) => stored(() => registerRoute(context, request, call)),
    listRoutes: (request, call) => stored(() => listRoutes(context, request, call)),
    enqueueDelivery: (request, call) => stored(() => enqueueDelivery(context, request, call)),
    configureRoute: (request, call) => stored(() => configureRoute(context, request, call)),
    listRouteChanges: (request, call) => stored(() => listRouteChanges(context, request, call)),
    moveRoutes: (request, call) => stored(() => moveRoutes(context, request, call)),
    rotateSigningSecret: (request, call) =>
      stored(() => rotateSigningSecret(context, request, call)),
    applyChannelAccounts: (request, call) =>
      stored(() => applyChannelAccounts(context, request, call)),
    listChannelAccounts: (request, call) =>
      stored(() => listChannelAccounts(context, request, call)),
    redriveDelivery: (request, call) => stored(() => redriveDelivery(context, request, call)),
    dismissDelivery: (request, call) => stored(() => dismissDelivery(context, request, call)),
    showProgress: async (request, call) => showProgress(context, request, call),
    getDelivery: (request, call) => stored(() => getDelivery(context, request, call)),
    listDeliveries: (request, call) => stored(() => listDeliveries(context, request, call)),
    watchSessions: (request, call) => watchSessions(context, request, call),
  } satisfies Omit<Routes<typeof DeliveryService>, "exchange">;
  return { ...routes, exchange: exchangeHandler({ desc: DeliveryService, routes, allow: ALLOW }) };
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
