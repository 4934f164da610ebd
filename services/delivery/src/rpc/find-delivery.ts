import { type CallContext, invalid, notFound } from "@lanekeeper/rpc";
import type { DeliveryContext } from "../context.ts";
import { DELIVERY_STATE_NAMES, isDead, stateCode } from "../domain/delivery-state.ts";
import type { DeliveryRow } from "../store/delivery-row.ts";
import { readDelivery } from "../store/read-delivery.ts";
import { parseSessionKey, parseUuid, requireAgent } from "./fields.ts";

/**
 * The tenant's delivery of this id, if the caller may have to do with its agent.
 * @throws INVALID_REQUEST, NOT_FOUND, PERMISSION_DENIED
 */
export async function findDelivery(
  { db }: Pick<DeliveryContext, "db">,
  deliveryId: string,
  call: CallContext,
): Promise<DeliveryRow> {
  const id = parseUuid("delivery_id", deliveryId);
  const row = await readDelivery(db, call.tenant, id);
  if (row === undefined) throw notFound("delivery", id);
  requireAgent(parseSessionKey("session_key", row.sessionKey), call);
  return row;
}

/** @throws INVALID_REQUEST for what is on its way, has arrived or was suppressed */
export function requireDead({ state, deliveryId }: DeliveryRow): void {
  const name = DELIVERY_STATE_NAMES.find((known) => stateCode(known) === state);
  if (name !== undefined && isDead(name)) return;
  throw invalid("delivery_id", `${deliveryId} is ${name ?? state}, no dead letter`);
}
