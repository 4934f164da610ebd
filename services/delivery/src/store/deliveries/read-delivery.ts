import { DELIVERY_COLUMNS, type DeliveryRow } from "./delivery-row.ts";
import { first, type Sql } from "../sql.ts";

const READ = {
  name: "delivery_read",
  text: `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE tenant = $1 AND delivery_id = $2`,
};

/** Undefined: the tenant has none of this id. */
export function readDelivery(
  sql: Sql,
  tenant: string,
  deliveryId: string,
): Promise<DeliveryRow | undefined> {
  return first<DeliveryRow>(sql, READ, [tenant, deliveryId]);
}
