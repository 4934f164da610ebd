import { type CallContext, invalid, notFound } from "@lanekeeper/rpc";
import { isKeyWithin } from "@lanekeeper/session-key";
import type { DeliveryContext } from "../context.ts";
import { DELIVERY_STATE_NAMES, isDead, stateCode } from "../domain/delivery-state.ts";
import type { DeliveryRow } from "../store/deliveries/delivery-row.ts";
import { readDelivery } from "../store/deliveries/read-delivery.ts";
import { parseUuid } from "./fields.ts";

/**
 * The tenant's delivery of this id, if the caller may reach its key.
 * @throws INVALID_REQUEST, NOT_FOUND, the same where there is none and where the key is out of bounds
 */
export async function findDelivery(
  { db }: Pick<DeliveryContext, "db">,
  deliveryId: string,
  call: CallContext,
): Promise<DeliveryRow> {
  const id = parseUuid("delivery_id", deliveryId);
  const row = await readDelivery(db, call.tenant, id);
  if (row === undefined || !isKeyWithin(row.sessionKey, call)) throw notFound("delivery", id);
  return row;
}

/** @throws INVALID_REQUEST for what is on its way, has arrived or was suppressed */
export function requireDead({ state, deliveryId }: DeliveryRow): void {
  const name = DELIVERY_STATE_NAMES.find((known) => stateCode(known) === state);
  if (name !== undefined && isDead(name)) return;
  throw invalid("delivery_id", `${deliveryId} is ${name ?? state}, no dead letter`);
}
