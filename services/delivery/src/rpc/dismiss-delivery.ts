import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  DismissDeliveryRequest,
  DismissDeliveryResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { CallContext } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { dismiss } from "../store/dead-letters/dismiss.ts";
import { parseNote } from "./fields.ts";
import { findDelivery, requireDead } from "./find-delivery.ts";
import { deliveryMessage } from "./messages.ts";

/** Puts a dead letter aside. */
export async function dismissDelivery(
  context: DeliveryContext,
  request: DismissDeliveryRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof DismissDeliveryResponseSchema>> {
  const { db, limits, nudge } = context;
  const note = parseNote(request.note, limits);
  const { tenant, principal } = call;
  const found = await findDelivery(context, request.deliveryId, call);
  requireDead(found);
  const { deliveryId, routeId } = found;
  await dismiss(db, { tenant, deliveryId, routeId, principal, note });
  nudge();
  return { delivery: deliveryMessage(await findDelivery(context, deliveryId, call)) };
}
