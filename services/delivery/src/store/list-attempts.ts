import type { AttemptOutcome } from "../domain/send-outcome.ts";
import { rows, type Sql } from "./sql.ts";

/** One attempt as it is stored. */
export interface AttemptRow {
  readonly attempt: number;
  readonly replica: string;
  readonly startTime: Date;
  readonly endTime: Date | null;
  readonly outcome: AttemptOutcome;
  readonly error: string;
  readonly providerMessageId: string;
}

const LIST = {
  name: "delivery_list_attempts",
  text: `
SELECT attempt, replica, start_time AS "startTime", end_time AS "endTime", outcome, error,
  provider_message_id AS "providerMessageId"
FROM attempts WHERE tenant = $1 AND delivery_id = $2 ORDER BY attempt DESC LIMIT $3`,
};

/** Newest first. */
export function listAttempts(
  sql: Sql,
  tenant: string,
  deliveryId: string,
  limit: number,
): Promise<AttemptRow[]> {
  return rows(sql, LIST, [tenant, deliveryId, limit]);
}
