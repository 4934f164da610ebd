import {
  DeliveryService,
  type WatchSessionsRequest,
  type WatchSessionsRequestSchema,
  type WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { CallContext, Routes, ServerStreamHandler } from "@lanekeeper/rpc";
import { partialRoutes } from "./partial-routes.ts";

type Watch = ServerStreamHandler<
  typeof WatchSessionsRequestSchema,
  typeof WatchSessionsResponseSchema
>;

/** Delivery, as far as ingress subscribes to it. */
export class StandInDelivery {
  readonly watches: { readonly request: WatchSessionsRequest; readonly call: CallContext }[] = [];
  watch: Watch = async function* () {};

  get routes(): Routes<typeof DeliveryService> {
    return partialRoutes(DeliveryService, {
      watchSessions: (request, call) => {
        this.watches.push({ request, call });
        return this.watch(request, call);
      },
    });
  }
}
