import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type DeliverySchema,
  OutboundPartSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { RouteSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { DeliveryRow } from "../store/delivery-row.ts";
import type { RouteRow } from "../store/route-row.ts";

/** A route as callers see it: without its secret. */
export function routeMessage(row: RouteRow): MessageInitShape<typeof RouteSchema> {
  const { signingSecret: _secret, createTime, updateTime, ...same } = row;
  return {
    ...same,
    createTime: timestampFromDate(createTime),
    updateTime: timestampFromDate(updateTime),
  };
}

/** A delivery as callers see it. */
export function deliveryMessage(row: DeliveryRow): MessageInitShape<typeof DeliverySchema> {
  const { sessionKey, sessionId, generation, parts, ...rest } = row;
  const { nextAttemptTime, endTime, createTime, expireTime, ...same } = rest;
  return {
    ...same,
    session: { sessionKey, sessionId, generation },
    parts: parts.map((bytes) => fromBinary(OutboundPartSchema, bytes)),
    createTime: timestampFromDate(createTime),
    expireTime: timestampFromDate(expireTime),
    ...(nextAttemptTime === null ? {} : { nextAttemptTime: timestampFromDate(nextAttemptTime) }),
    ...(endTime === null ? {} : { endTime: timestampFromDate(endTime) }),
  };
}
