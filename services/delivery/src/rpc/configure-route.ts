import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ConfigureRouteRequest,
  ConfigureRouteResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, notFound } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { configureRoute as storeSettings } from "../store/routes/configure-route.ts";
import { parseNote } from "./fields.ts";
import { findRoute } from "./find-route.ts";
import { routeMessage } from "./messages.ts";
import { parsePolicy } from "./parse-policy.ts";

/** Changes how a route goes on, or makes it the key's default. */
export async function configureRoute(
  context: DeliveryContext,
  request: ConfigureRouteRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof ConfigureRouteResponseSchema>> {
  const { db, limits, nudge } = context;
  const policy = parsePolicy(request.policy);
  const changer = { principal: call.principal, note: parseNote(request.note, limits) };
  const { routeId, sessionKey } = await findRoute(context, request.routeId, call);
  const settings = { ...policy, isDefault: request.isDefault };
  const name = { tenant: call.tenant, routeId, sessionKey };
  const stored = await storeSettings(db, name, settings, changer);
  if (stored === undefined) throw notFound("route", routeId);
  nudge();
  return { route: routeMessage(stored) };
}
