import { UNHURRIED } from "@lanekeeper/postgres";
import type { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { rows, type Sql } from "../sql.ts";

/** Names one delivery. */
export interface DeliveryName {
  readonly tenant: string;
  readonly deliveryId: string;
}

/** The outcome of an attempt that session-identity has not been told. */
export interface Untold extends DeliveryName {
  readonly fenceId: string;
  readonly attempt: number;
  readonly untold: ReplyState;
  readonly error: string;
  readonly providerMessageId: string;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceparent: string;
}

const OF_DELIVERY = {
  name: "delivery_untold_of",
  text: `
SELECT tenant, delivery_id AS "deliveryId", coalesce(d.fence_id, delivery_id) AS "fenceId", a.attempt, a.untold, a.error,
  a.provider_message_id AS "providerMessageId", d.session_key AS "sessionKey",
  d.session_id AS "sessionId", d.generation, d.turn_id AS "turnId", d.principal,
  d.request_label AS "requestLabel", d.traceparent
FROM attempts a JOIN deliveries d USING (tenant, delivery_id)
WHERE tenant = $1 AND delivery_id = $2 AND a.untold IS NOT NULL
ORDER BY a.attempt`,
};

/** What is to be told of one delivery, in order. */
export function untoldOf(sql: Sql, { tenant, deliveryId }: DeliveryName): Promise<Untold[]> {
  return rows<Untold>(sql, OF_DELIVERY, [tenant, deliveryId]);
}

/** Lost in a crash of the database, the outcome is told again, which changes nothing. */
const TOLD = {
  name: "delivery_told",
  text: `
WITH ${UNHURRIED}
UPDATE attempts a SET untold = NULL
FROM unhurried, unnest($1::text[], $2::uuid[], $3::int[], $4::smallint[]) AS i (tenant, delivery_id, attempt, untold)
WHERE a.tenant = i.tenant AND a.delivery_id = i.delivery_id AND a.attempt = i.attempt
  AND a.untold = i.untold`,
};

/** session-identity has them. */
export async function markToldAll(sql: Sql, told: readonly Untold[]): Promise<readonly true[]> {
  await sql.query(TOLD, [
    told.map(({ tenant }) => tenant),
    told.map(({ deliveryId }) => deliveryId),
    told.map(({ attempt }) => attempt),
    told.map(({ untold }) => untold),
  ]);
  return told.map(() => true);
}

const SWEEP = {
  name: "delivery_sweep_untold",
  text: `
SELECT DISTINCT tenant, delivery_id AS "deliveryId" FROM (
  SELECT tenant, delivery_id FROM attempts
  WHERE untold IS NOT NULL AND end_time < now() - $1 * interval '1 millisecond'
  ORDER BY end_time LIMIT $2
) oldest`,
};

/** Deliveries with something to tell that nobody has told for `olderThanMs`. */
export function sweepUntold(sql: Sql, olderThanMs: number, limit: number): Promise<DeliveryName[]> {
  return rows<DeliveryName>(sql, SWEEP, [olderThanMs, limit]);
}
