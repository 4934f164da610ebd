import type {
  DeadLetterActKind,
  DeliveryState,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { rows, type Sql } from "../sql.ts";

/** What somebody did about a dead letter. */
export interface ActRow {
  readonly kind: DeadLetterActKind;
  readonly principal: string;
  readonly note: string;
  readonly previousState: DeliveryState;
  readonly previousGeneration: bigint;
}

interface NewAct extends ActRow {
  readonly tenant: string;
  readonly deliveryId: string;
}

const RECORD = {
  name: "delivery_record_act",
  text: `
INSERT INTO dead_letter_acts (tenant, delivery_id, act_number, kind, principal, note, previous_state,
  previous_generation, create_time)
SELECT $1, $2, coalesce(max(act_number), 0) + 1, $3, $4, $5, $6, $7, clock_timestamp()
FROM dead_letter_acts WHERE tenant = $1 AND delivery_id = $2`,
};

/** The delivery's route is locked. */
export async function recordAct(sql: Sql, act: NewAct): Promise<void> {
  const { tenant, deliveryId, kind, principal, note, previousState, previousGeneration } = act;
  const params = [tenant, deliveryId, kind, principal, note, previousState, previousGeneration];
  await sql.query(RECORD, params);
}

const LIST = {
  name: "delivery_list_acts",
  text: `
SELECT kind, principal, note, previous_state AS "previousState",
  previous_generation AS "previousGeneration", create_time AS "createTime"
FROM dead_letter_acts WHERE tenant = $1 AND delivery_id = $2 ORDER BY act_number DESC LIMIT $3`,
};

/** Newest first. */
export function listActs(
  sql: Sql,
  tenant: string,
  deliveryId: string,
  limit: number,
): Promise<(ActRow & { readonly createTime: Date })[]> {
  return rows(sql, LIST, [tenant, deliveryId, limit]);
}
