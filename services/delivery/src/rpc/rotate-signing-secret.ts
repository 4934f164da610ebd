import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  RotateSigningSecretRequest,
  RotateSigningSecretResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type CallContext, invalid, notFound } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { newSigningSecret } from "../domain/signing-secret.ts";
import type { Limits } from "../limits.ts";
import { rotateSecret } from "../store/routes/rotate-secret.ts";
import { parseId, parseSessionKey, requireKey } from "./fields.ts";
import { findRoute } from "./find-route.ts";

/** Gives a route another signing secret; until an old one ends, posts are signed with it too. */
export async function rotateSigningSecret(
  context: DeliveryContext,
  request: RotateSigningSecretRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof RotateSigningSecretResponseSchema>> {
  const { db, limits } = context;
  const requestId = parseId("request_id", request.requestId, limits.requestIdChars);
  const keepOldMs = parseKeepOld(request, limits);
  const route = await findRoute(context, request.routeId, call);
  requireKey(parseSessionKey("session_key", route.sessionKey), call);
  if (route.kind !== RouteKind.WEBHOOK) {
    throw invalid("route_id", "is no route of kind WEBHOOK: only those have a signing secret");
  }
  const { routeId } = route;
  const { tenant } = call;
  const newSecret = newSigningSecret();
  const maxOld = limits.oldSecrets;
  const rotation = { tenant, routeId, requestId, newSecret, keepOldMs, maxOld };
  const rotated = await rotateSecret(db, rotation);
  if (rotated === undefined) throw notFound("route", routeId);
  return {
    signingSecret: rotated.signingSecret,
    oldSecretEndTime: timestampFromDate(rotated.oldSecretEnd),
  };
}

function parseKeepOld({ keepOld }: RotateSigningSecretRequest, limits: Limits): number {
  if (keepOld === undefined) return limits.keepOldSecretMs;
  const ms = durationMs(keepOld);
  if (ms >= 0 && ms <= limits.maxKeepOldSecretMs) return ms;
  throw invalid("keep_old", `must be 0 to ${limits.maxKeepOldSecretMs / 86_400_000} days`);
}
