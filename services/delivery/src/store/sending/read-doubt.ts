import type { Claimed } from "./claimed.ts";
import { first, type Sql } from "../sql.ts";

/** What is known by now of an attempt that died with its process. */
export interface Doubt extends Pick<Claimed, "perhapsSent" | "isDoubtful"> {
  /** It arrived. */
  readonly wasSent: boolean;
}

const READ = {
  name: "delivery_read_doubt",
  text: `
SELECT d.perhaps_sent AS "perhapsSent", d.is_doubtful AS "isDoubtful",
  EXISTS (SELECT 1 FROM attempts a WHERE a.tenant = $1 AND a.delivery_id = $2 AND a.attempt = $3 - 1
    AND a.outcome = 'sent') AS "wasSent"
FROM deliveries d WHERE d.tenant = $1 AND d.delivery_id = $2`,
};

/** Whoever told session-identity of it, here or on another replica, may have taken the doubt away. */
export async function readDoubt(sql: Sql, claimed: Claimed): Promise<Doubt> {
  const { tenant, deliveryId, attempt, perhapsSent, isDoubtful } = claimed;
  const found = await first<Doubt>(sql, READ, [tenant, deliveryId, attempt]);
  return found ?? { perhapsSent, isDoubtful, wasSent: false };
}
