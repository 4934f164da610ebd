import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetDeliveryRequest,
  GetDeliveryResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { CallContext } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { listAttempts } from "../store/sending/list-attempts.ts";
import { listActs } from "../store/dead-letters/record-act.ts";
import { findDelivery } from "./find-delivery.ts";
import { actMessage, attemptMessage, deliveryMessage } from "./messages.ts";

/** Reads one delivery, with what was tried and what was done about it. */
export async function getDelivery(
  { db, limits }: DeliveryContext,
  request: GetDeliveryRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof GetDeliveryResponseSchema>> {
  const row = await findDelivery({ db }, request.deliveryId, call);
  const { deliveryId } = row;
  const attempts = await listAttempts(db, call.tenant, deliveryId, limits.attemptsShown);
  const acts = await listActs(db, call.tenant, deliveryId, limits.actsShown);
  return {
    delivery: deliveryMessage(row),
    attempts: attempts.map(attemptMessage),
    acts: acts.map(actMessage),
  };
}
