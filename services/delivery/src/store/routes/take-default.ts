import { rows, type Sql } from "../sql.ts";

const TAKE = {
  name: "delivery_take_default",
  text: `
UPDATE routes SET is_default = false, change_number = change_number + 1
WHERE tenant = $1 AND session_key = $2 AND is_default AND route_id <> $3
RETURNING route_id AS "routeId"`,
};

/** A key has one default route at most: those that were it before. The key's count is locked. */
export async function takeDefault(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  routeId: string,
): Promise<string[]> {
  const taken = await rows<{ routeId: string }>(sql, TAKE, [tenant, sessionKey, routeId]);
  return taken.map((row) => row.routeId);
}
