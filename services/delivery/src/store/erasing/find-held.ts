import { rows, type Sql } from "../sql.ts";

/** With LIMIT each is a look into an index; an EXISTS may become a scan of all that the tenant has. */
const FIND = {
  name: "delivery_keys_with_something",
  text: `
SELECT k.session_key AS "sessionKey" FROM unnest($2::text[]) AS k (session_key)
WHERE (SELECT 1 FROM deliveries d WHERE d.tenant = $1 AND d.session_key = k.session_key LIMIT 1) IS NOT NULL
  OR (SELECT 1 FROM routes r WHERE r.tenant = $1 AND r.session_key = k.session_key LIMIT 1) IS NOT NULL`,
};

/** Those of many keys of which there are replies or routes: tasks that were given away have seldom any. */
export async function findHeld(
  sql: Sql,
  tenant: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = await rows<{ readonly sessionKey: string }>(sql, FIND, [tenant, keys]);
  return new Set(found.map(({ sessionKey }) => sessionKey));
}
