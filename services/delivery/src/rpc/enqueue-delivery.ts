import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { OutboundPartSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type {
  EnqueueDeliveryRequest,
  EnqueueDeliveryResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import {
  type CallContext,
  invalid,
  LanekeeperError,
  later,
  notFound,
  parseTraceHeaders,
} from "@lanekeeper/rpc";
import { turnLog } from "@lanekeeper/service";
import type { DeliveryContext } from "../context.ts";
import { contentFingerprint } from "../domain/content-fingerprint.ts";
import type { Limits } from "../limits.ts";
import { defaultRoute } from "../store/routes/default-route.ts";
import { type EnqueueResult, findRequest, type NewDelivery } from "../store/deliveries/enqueue.ts";
import { parseId, parseSessionKey, parseUuid } from "./fields.ts";
import { parseParts } from "./parse-parts.ts";

/** Without a route: the key's default one. */
type ParsedDelivery = Omit<NewDelivery, "routeId"> & { readonly routeId: string | undefined };

/** Takes a committed reply over; a repeat returns the delivery that it made. */
export async function enqueueDelivery(
  context: DeliveryContext,
  request: EnqueueDeliveryRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof EnqueueDeliveryResponseSchema>> {
  const parsed = parseDelivery(context, request, call);
  const { routeId, result } = await store(context, parsed);
  switch (result.kind) {
    case "no_route":
      throw noRoute(parsed);
    case "full":
      throw full(context.limits);
    case "mismatch":
      throw mismatch(parsed.requestId);
    case "enqueued":
      context.nudge();
      logEnqueued(context, { ...parsed, routeId }, result);
      break;
    case "repeated":
      break;
  }
  return { deliveryId: result.deliveryId, routeSeq: result.routeSeq };
}

/** Where the key has no default route any more, a repeat has what it made before. */
async function store(
  { db, steps }: DeliveryContext,
  parsed: ParsedDelivery,
): Promise<{ readonly routeId: string | undefined; readonly result: EnqueueResult }> {
  const { tenant, sessionKey } = parsed;
  const routeId = parsed.routeId ?? (await defaultRoute(db, tenant, sessionKey));
  if (routeId !== undefined) {
    return { routeId, result: await steps.enqueue({ ...parsed, routeId }) };
  }
  return { routeId, result: (await findRequest(db, parsed)) ?? { kind: "no_route" } };
}

function parseDelivery(
  { limits, ids, clock }: DeliveryContext,
  request: EnqueueDeliveryRequest,
  call: CallContext,
): ParsedDelivery {
  const { session, parts } = request;
  if (session === undefined) throw invalid("session", "is required");
  if (session.generation < 1n) throw invalid("session.generation", "must be at least 1");
  parseParts(parts, limits);
  const { traceparent = "" } = call;
  return {
    tenant: call.tenant,
    deliveryId: ids.uuid(),
    requestId: parseId("request_id", request.requestId, limits.requestIdChars),
    routeId: request.routeId === "" ? undefined : parseUuid("route_id", request.routeId),
    sessionKey: parseSessionKey("session.session_key", session.sessionKey),
    sessionId: parseUuid("session.session_id", session.sessionId),
    generation: session.generation,
    turnId: parseId("turn_id", request.turnId, limits.turnIdChars),
    fingerprint: contentFingerprint(request),
    principal: call.principal,
    requestLabel: call.requestId,
    traceId: parseTraceHeaders({ traceparent, tracestate: undefined })?.traceId ?? "",
    traceparent,
    parts: parts.map((part) => toBinary(OutboundPartSchema, part)),
    expireTime: parseExpireTime(request, clock.now(), limits.maxExpireMs),
    expireMs: limits.expireMs,
  };
}

function noRoute({ routeId, sessionKey }: ParsedDelivery): LanekeeperError {
  return routeId === undefined
    ? notFound("default route of", sessionKey)
    : notFound("route", routeId);
}

/** One that has passed is taken: the reply becomes a dead letter that can be found. */
function parseExpireTime(
  { expireTime }: EnqueueDeliveryRequest,
  now: Date,
  maxMs: number,
): Date | undefined {
  if (expireTime === undefined) return undefined;
  const date = timestampDate(expireTime);
  if (!Number.isNaN(date.getTime()) && date.getTime() - now.getTime() <= maxMs) return date;
  throw invalid("expire_time", `must be at most ${maxMs / 86_400_000} days from now`);
}

function full({ waitingPerRoute, fullRetryMs }: Limits): LanekeeperError {
  const metadata = { limit: String(waitingPerRoute) };
  return later("QUEUE_FULL", `${waitingPerRoute} replies wait on the route`, fullRetryMs, {
    metadata,
  });
}

function mismatch(requestId: string): LanekeeperError {
  const message = "the request id stands for another reply";
  return new LanekeeperError("IDEMPOTENCY_MISMATCH", message, {
    metadata: { request_id: requestId },
  });
}

function logEnqueued(
  { log }: DeliveryContext,
  delivery: ParsedDelivery,
  { deliveryId: delivery_id, routeSeq }: { deliveryId: string; routeSeq: bigint },
): void {
  const fields = {
    tenant: delivery.tenant,
    principal: delivery.principal,
    session_key: delivery.sessionKey,
    session_id: delivery.sessionId,
    generation: delivery.generation,
    turn_id: delivery.turnId,
    request_id: delivery.requestLabel,
    traceparent: delivery.traceparent,
  };
  const { routeId: route_id } = delivery;
  turnLog(log, fields).info({ delivery_id, route_id, route_seq: Number(routeSeq) }, "enqueued");
}
