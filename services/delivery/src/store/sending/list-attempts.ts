import type { AttemptOutcome } from "../../domain/send-outcome.ts";
import { rows, type Sql } from "../sql.ts";

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
SELECT * FROM (
  SELECT attempt, replica, start_time AS "startTime", end_time AS "endTime", outcome, error,
    provider_message_id AS "providerMessageId"
  FROM attempts WHERE tenant = $1 AND delivery_id = $2
  UNION ALL
  SELECT attempt_count, replica, claim_time, NULL, 'open', '', ''
  FROM deliveries d WHERE tenant = $1 AND delivery_id = $2 AND state = 2 AND claim_time IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM attempts a
      WHERE a.tenant = $1 AND a.delivery_id = $2 AND a.attempt = d.attempt_count)
) all_attempts ORDER BY attempt DESC LIMIT $3`,
};

/** Newest first; the one that is under way has no row of its own yet. */
export function listAttempts(
  sql: Sql,
  tenant: string,
  deliveryId: string,
  limit: number,
): Promise<AttemptRow[]> {
  return rows(sql, LIST, [tenant, deliveryId, limit]);
}
