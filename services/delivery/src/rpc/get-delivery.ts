import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetDeliveryRequest,
  GetDeliveryResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type CallContext, notFound } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { readDelivery } from "../store/read-delivery.ts";
import { parseSessionKey, parseUuid, requireAgent } from "./fields.ts";
import { deliveryMessage } from "./messages.ts";

/** Reads one delivery. */
export async function getDelivery(
  { db }: DeliveryContext,
  request: GetDeliveryRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof GetDeliveryResponseSchema>> {
  const deliveryId = parseUuid("delivery_id", request.deliveryId);
  const row = await readDelivery(db, call.tenant, deliveryId);
  if (row === undefined) throw notFound("delivery", deliveryId);
  requireAgent(parseSessionKey("session_key", row.sessionKey), call);
  return { delivery: deliveryMessage(row) };
}
