import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ListRoutesRequest,
  ListRoutesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { CallContext } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { listRoutes as readRoutes } from "../store/routes/list-routes.ts";
import { parseSessionKey, requireWithin } from "./fields.ts";
import { routeMessage } from "./messages.ts";

/** Lists a session's routes, the oldest first. */
export async function listRoutes(
  { db, limits }: DeliveryContext,
  request: ListRoutesRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof ListRoutesResponseSchema>> {
  const sessionKey = parseSessionKey("session_key", request.sessionKey);
  requireWithin(sessionKey, call);
  const routes = await readRoutes(db, call.tenant, sessionKey, limits.routesPerKey);
  return { routes: routes.map(routeMessage) };
}
