import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type DeadLetterActSchema,
  type DeliveryAttemptSchema,
  type DeliverySchema,
  OutboundPartSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type {
  RouteChangeSchema,
  RouteSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { DeliveryRow } from "../store/deliveries/delivery-row.ts";
import type { AttemptRow } from "../store/sending/list-attempts.ts";
import type { RouteChangeRow } from "../store/routes/list-route-changes.ts";
import type { ActRow } from "../store/dead-letters/record-act.ts";
import type { RouteRow } from "../store/routes/route-row.ts";

/** A route as callers see it: without its secret. */
export function routeMessage(row: RouteRow): MessageInitShape<typeof RouteSchema> {
  const { signingSecret: _secret, createTime, updateTime, blockedBy, ...rest } = row;
  const { onFailure, onUnknown, ...same } = rest;
  return {
    ...same,
    policy: { onFailure, onUnknown },
    blockedByDeliveryId: blockedBy ?? "",
    createTime: timestampFromDate(createTime),
    updateTime: timestampFromDate(updateTime),
  };
}

/** A delivery as callers see it. */
export function deliveryMessage(row: DeliveryRow): MessageInitShape<typeof DeliverySchema> {
  const { sessionKey, sessionId, generation, parts, ...rest } = row;
  const { nextAttemptTime, endTime, createTime, expireTime, dismissTime, ...same } = rest;
  return {
    ...same,
    session: { sessionKey, sessionId, generation },
    parts: parts.map((bytes) => fromBinary(OutboundPartSchema, bytes)),
    createTime: timestampFromDate(createTime),
    expireTime: timestampFromDate(expireTime),
    ...(nextAttemptTime === null ? {} : { nextAttemptTime: timestampFromDate(nextAttemptTime) }),
    ...(endTime === null ? {} : { endTime: timestampFromDate(endTime) }),
    ...(dismissTime === null ? {} : { dismissTime: timestampFromDate(dismissTime) }),
  };
}

/** An attempt as callers see it. */
export function attemptMessage(row: AttemptRow): MessageInitShape<typeof DeliveryAttemptSchema> {
  const { startTime, endTime, ...same } = row;
  return {
    ...same,
    startTime: timestampFromDate(startTime),
    ...(endTime === null ? {} : { endTime: timestampFromDate(endTime) }),
  };
}

/** An act about a dead letter as callers see it. */
export function actMessage(
  row: ActRow & { readonly createTime: Date },
): MessageInitShape<typeof DeadLetterActSchema> {
  return { ...row, createTime: timestampFromDate(row.createTime) };
}

/** A route as it stood after a change: what is not in the history never changes. */
export function routeChangeMessage(
  route: RouteRow,
  change: RouteChangeRow,
): MessageInitShape<typeof RouteChangeSchema> {
  const { principal, note, createTime, ...stood } = change;
  return {
    route: routeMessage({ ...route, ...stood, updateTime: createTime }),
    principal,
    note,
    createTime: timestampFromDate(createTime),
  };
}
