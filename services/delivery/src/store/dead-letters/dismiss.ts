import { DeadLetterActKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { type ActRow, recordAct } from "./record-act.ts";
import { type DeliveryDatabase, first } from "../sql.ts";
import { unblock } from "../sending/unblock.ts";

const LOCK_ROUTE = {
  name: "delivery_lock_route_to_dismiss",
  text: `SELECT 1 FROM routes WHERE tenant = $1 AND route_id = $2 FOR UPDATE`,
};

const DISMISS = {
  name: "delivery_dismiss",
  text: `
UPDATE deliveries SET dismiss_time = clock_timestamp()
WHERE tenant = $1 AND delivery_id = $2 AND state IN (4, 5) AND dismiss_time IS NULL
RETURNING state AS "previousState", generation AS "previousGeneration"`,
};

export interface Dismissal {
  readonly tenant: string;
  readonly deliveryId: string;
  readonly routeId: string;
  readonly principal: string;
  readonly note: string;
}

/** Puts a dead letter aside and lets a route that it blocks go on. A repeat changes nothing. */
export async function dismiss(db: DeliveryDatabase, wanted: Dismissal): Promise<void> {
  const { tenant, deliveryId, routeId, principal, note } = wanted;
  await db.transaction(async (sql) => {
    await sql.query(LOCK_ROUTE, [tenant, routeId]);
    const before = await first<Pick<ActRow, "previousState" | "previousGeneration">>(sql, DISMISS, [
      tenant,
      deliveryId,
    ]);
    if (before === undefined) return;
    await unblock(sql, tenant, routeId, deliveryId);
    await recordAct(sql, {
      tenant,
      deliveryId,
      kind: DeadLetterActKind.DISMISS,
      principal,
      note,
      ...before,
    });
  });
}
