import {
  DeliveryService,
  type EnqueueDeliveryRequest,
  type MoveRoutesRequest,
  type RegisterRouteRequest,
  type WatchSessionsRequest,
  type WatchSessionsRequestSchema,
  type WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, notFound, type Routes, type ServerStreamHandler } from "@lanekeeper/rpc";
import { isKeyWithin } from "@lanekeeper/session-key";
import { partialRoutes } from "./partial-routes.ts";

type Watch = ServerStreamHandler<
  typeof WatchSessionsRequestSchema,
  typeof WatchSessionsResponseSchema
>;

/** Delivery, as far as ingress subscribes to it. */
export class StandInDelivery {
  readonly watches: { readonly request: WatchSessionsRequest; readonly call: CallContext }[] = [];
  watch: Watch = async function* () {};
  readonly registered: RegisterRouteRequest[] = [];
  readonly moved: MoveRoutesRequest[] = [];
  /** Thrown by moveRoutes. */
  moveRefusal: Error | undefined;
  /** The key that a route stands under, by its id. */
  readonly routeKeys = new Map<string, string>();
  /** What answers no turn, as it was enqueued; repeats are one. */
  readonly said = new Map<string, EnqueueDeliveryRequest>();

  get routes(): Routes<typeof DeliveryService> {
    return partialRoutes(DeliveryService, {
      registerRoute: async (request) => {
        this.registered.push(request);
        const routeId = `route ${request.kind} ${request.address} ${request.threadId}`;
        return { route: { routeId }, signingSecret: "whsec_stand-in" };
      },
      moveRoutes: async (request) => {
        if (this.moveRefusal !== undefined) throw this.moveRefusal;
        this.moved.push(request);
        return { address: request.newAddress };
      },
      listRouteChanges: async ({ routeId }, call) => {
        if (!isKeyWithin(this.routeKeys.get(routeId) ?? "", call)) throw notFound("route", routeId);
        return {};
      },
      enqueueDelivery: async (request) => {
        this.said.set(request.requestId, request);
        return { deliveryId: request.requestId };
      },
      watchSessions: (request, call) => {
        this.watches.push({ request, call });
        return this.watch(request, call);
      },
    });
  }
}
