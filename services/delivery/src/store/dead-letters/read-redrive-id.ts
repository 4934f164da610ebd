import { first, type Sql } from "../sql.ts";

const READ = {
  name: "delivery_read_redrive_id",
  text: `
SELECT redrive_id AS "redriveId" FROM deliveries WHERE tenant = $1 AND delivery_id = $2`,
};

/** The request id of a delivery's last redrive; empty: there was none. */
export async function readRedriveId(
  sql: Sql,
  tenant: string,
  deliveryId: string,
): Promise<string | undefined> {
  return (await first<{ redriveId: string }>(sql, READ, [tenant, deliveryId]))?.redriveId;
}
