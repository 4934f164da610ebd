import type { DeliveryDatabase } from "../sql.ts";
import type { Untold } from "./untold.ts";

/** What session-identity has recorded of an attempt whose process could not write it. */
export interface Recorded {
  readonly outcome: "sent" | "failed";
  readonly providerMessageId: string;
}

/**
 * Held while the other attempts are looked at: in the statement with the lock they would be seen as they
 * were before the wait, and a doubt that has come up meanwhile would be lost.
 */
const LOCK = {
  name: "delivery_lock_to_adopt",
  text: "SELECT 1 FROM deliveries WHERE tenant = $1 AND delivery_id = $2 FOR UPDATE",
};

/** What was sent perhaps arrived, whatever follows; what failed did not. */
const ADOPT = {
  name: "delivery_adopt_outcome",
  text: `
WITH adopted AS (
  UPDATE attempts SET outcome = $4, error = '', provider_message_id = $5, untold = NULL
  WHERE tenant = $1 AND delivery_id = $2 AND attempt = $3 AND outcome = 'unknown'
  RETURNING tenant, delivery_id
), other AS (
  SELECT max(attempt) FILTER (WHERE outcome = 'unknown') AS unknown,
    max(attempt) FILTER (WHERE outcome = 'accepted') AS accepted
  FROM attempts WHERE tenant = $1 AND delivery_id = $2 AND attempt <> $3
)
UPDATE deliveries d SET
  perhaps_sent = d.perhaps_sent AND ($4 = 'sent' OR other.unknown IS NOT NULL),
  is_doubtful = d.is_doubtful AND coalesce(other.unknown > coalesce(other.accepted, 0), false),
  provider_message_id = CASE WHEN $5 = '' THEN d.provider_message_id ELSE $5 END
FROM adopted, other
WHERE d.tenant = $1 AND d.delivery_id = $2 AND d.state IN (1, 2)`,
};

/** Puts the recorded outcome in the place of an attempt's "unknown", and takes the doubt away that came of it. */
export async function adoptOutcome(
  db: DeliveryDatabase,
  { tenant, deliveryId, attempt }: Untold,
  { outcome, providerMessageId }: Recorded,
): Promise<void> {
  await db.transaction(async (sql) => {
    await sql.query(LOCK, [tenant, deliveryId]);
    await sql.query(ADOPT, [tenant, deliveryId, attempt, outcome, providerMessageId]);
  });
}
