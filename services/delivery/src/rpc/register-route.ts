import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RegisterRouteRequest,
  RegisterRouteResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type CallContext, later } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { newSigningSecret } from "../domain/signing-secret.ts";
import { type NewRoute, registerRoute as storeRoute } from "../store/routes/register-route.ts";
import { parseSessionKey, parseText, requireKey } from "./fields.ts";
import { routeMessage } from "./messages.ts";
import { parsePlace } from "./parse-place.ts";
import { parsePolicy } from "./parse-policy.ts";

/** One of them has to be silent for long enough first. */
const QUOTA_RETRY_MS = 60_000;

/** Registers where a session's replies go; a repeat returns the route and its secret. */
export async function registerRoute(
  context: DeliveryContext,
  request: RegisterRouteRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof RegisterRouteResponseSchema>> {
  const { db, ids, limits } = context;
  const route: NewRoute = {
    ...parseRoute(context, request, call),
    routeId: ids.uuid(),
    signingSecret: newSigningSecret(),
  };
  const stored = await storeRoute(db, route, limits);
  if (stored !== undefined) {
    const isSigned = stored.kind === RouteKind.WEBHOOK;
    return { route: routeMessage(stored), signingSecret: isSigned ? stored.signingSecret : "" };
  }
  throw later(
    "QUOTA",
    `the key has ${limits.routesPerKey} routes, and all of them are used`,
    QUOTA_RETRY_MS,
    {
      metadata: { limit: String(limits.routesPerKey) },
    },
  );
}

function parseRoute(
  { limits, allowedNetworks }: DeliveryContext,
  request: RegisterRouteRequest,
  call: CallContext,
): Omit<NewRoute, "routeId" | "signingSecret"> {
  const sessionKey = parseSessionKey("session_key", request.sessionKey);
  requireKey(sessionKey, call);
  return {
    tenant: call.tenant,
    principal: call.principal,
    sessionKey,
    ...parsePlace(request, call, allowedNetworks, limits),
    ...parsePolicy(request.policy),
    source: parseText("source", request.source, limits.sourceBytes),
    isDefault: request.isDefault,
  };
}
