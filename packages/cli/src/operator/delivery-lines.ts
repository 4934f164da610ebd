import {
  type DeadLetterAct,
  DeadLetterActKindSchema,
  type Delivery,
  type DeliveryAttempt,
  DeliveryStateSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { GetDeliveryResponse } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { enumName } from "./enum-name.ts";
import { time } from "./session-lines.ts";

/** A delivery in one line. */
export function deliveryLine(delivery: Delivery): string {
  const { deliveryId, session, attemptCount, lastError, createTime, dismissTime } = delivery;
  const attempts = attemptCount === 1 ? "1 attempt" : `${attemptCount} attempts`;
  const error = lastError === "" ? "" : `: ${lastError}`;
  const dismissed = dismissTime === undefined ? "" : ", dismissed";
  return `${deliveryId}  ${stateOf(delivery)}${dismissed}  ${session?.sessionKey}  ${time(createTime)}, ${attempts}${error}`;
}

/** A delivery in full. */
export function deliveryLines({ delivery, attempts, acts }: GetDeliveryResponse): string[] {
  if (delivery === undefined) return [];
  const { session, turnId, routeId, routeSeq, expireTime, endTime, traceId } = delivery;
  return [
    `delivery    ${delivery.deliveryId}`,
    `state       ${stateOf(delivery)}${delivery.dismissTime === undefined ? "" : `, dismissed ${time(delivery.dismissTime)}`}`,
    `session     ${session?.sessionKey}  ${session?.sessionId}  generation ${session?.generation}`,
    `turn        ${turnId}`,
    `route       ${routeId}, number ${routeSeq}`,
    `enqueued    ${time(delivery.createTime)}, until ${time(expireTime)}`,
    ...(endTime === undefined ? [] : [`ended       ${time(endTime)}`]),
    ...(delivery.pieceCount > 1
      ? [`messages    ${delivery.acceptedPieces} of ${delivery.pieceCount} taken`]
      : []),
    ...(delivery.gapBefore === 0 ? [] : [`missing     ${delivery.gapBefore} before it`]),
    ...(delivery.fenceId === "" ? [] : [`fenced as   ${delivery.fenceId}`]),
    ...(traceId === "" ? [] : [`trace       ${traceId}`]),
    ...attempts.map(attemptLine),
    ...acts.map(actLine),
  ];
}

function stateOf({ state }: Delivery): string {
  return enumName(DeliveryStateSchema, state);
}

function attemptLine(made: DeliveryAttempt): string {
  const { attempt, outcome, startTime, replica, error, providerMessageId } = made;
  const told = error === "" ? "" : `: ${error}`;
  const id = providerMessageId === "" ? "" : ` as ${providerMessageId}`;
  return `attempt ${String(attempt).padEnd(3)} ${time(startTime)}  ${outcome}${id} by ${replica}${told}`;
}

function actLine({ kind, principal, note, createTime, previousGeneration }: DeadLetterAct): string {
  const what = enumName(DeadLetterActKindSchema, kind).toLowerCase();
  return `${what.padEnd(11)} ${time(createTime)}  by ${principal}, from generation ${previousGeneration}${note === "" ? "" : `: ${note}`}`;
}
