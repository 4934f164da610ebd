import type { MessageInitShape } from "@bufbuild/protobuf";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type {
  ListDeliveriesRequest,
  ListDeliveriesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { DELIVERY_STATE_NAMES, stateCode } from "../domain/delivery-state.ts";
import type { Limits } from "../limits.ts";
import {
  type DeliveryFilter,
  listDeliveries as readPage,
} from "../store/deliveries/list-deliveries.ts";
import { parseId, parsePageSize, parseSessionKey, parseUuid, requireWithin } from "./fields.ts";
import { deliveryMessage } from "./messages.ts";
import { pageToken, parsePageToken } from "./page-token.ts";

/** Lists deliveries, newest first. */
export async function listDeliveries(
  { db, limits }: DeliveryContext,
  request: ListDeliveriesRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof ListDeliveriesResponseSchema>> {
  const limit = parsePageSize(request.pageSize, limits);
  const bounds = { limit, maxBytes: limits.pageBytes };
  const { page, isMore } = await readPage(db, parseFilter(request, call, limits), bounds);
  const last = page.at(-1);
  return {
    deliveries: page.map(deliveryMessage),
    nextPageToken: isMore && last !== undefined ? pageToken(last.deliveryId) : "",
  };
}

function parseFilter(
  request: ListDeliveriesRequest,
  call: CallContext,
  limits: Limits,
): DeliveryFilter {
  const given = <T>(text: string, parse: (text: string) => T): T | undefined =>
    text === "" ? undefined : parse(text);
  const sessionKey = given(request.sessionKey, (text) => parseSessionKey("session_key", text));
  if (sessionKey !== undefined) requireWithin(sessionKey, call);
  return {
    tenant: call.tenant,
    sessionKey,
    turnId: given(request.turnId, (text) => parseId("turn_id", text, limits.turnIdChars)),
    routeId: given(request.routeId, (text) => parseUuid("route_id", text)),
    state: parseState(request.state),
    traceId: given(request.traceId, parseTraceId),
    deadLettersOnly: request.deadLettersOnly,
    agents: call.agents,
    keyPrefixes: call.keyPrefixes,
    beforeId: parsePageToken(request.pageToken),
  };
}

function parseState(state: DeliveryState): number | undefined {
  if (state === DeliveryState.UNSPECIFIED) return undefined;
  if (DELIVERY_STATE_NAMES.some((name) => stateCode(name) === state)) return state;
  throw invalid("state", "is no state of a delivery");
}

function parseTraceId(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw invalid("trace_id", "must be 32 hexadecimal digits in lower case");
}
