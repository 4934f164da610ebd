import { rows, type Sql } from "../sql.ts";

const FIND = {
  name: "delivery_default_route",
  text: `
SELECT route_id AS "routeId", is_default AS "isDefault" FROM routes
WHERE tenant = $1 AND session_key = $2 ORDER BY is_default DESC LIMIT 2`,
};

/**
 * Where messages go that answer no turn: the key's default route, or its only one. Undefined: none is
 * marked among several, or there is none; which of several was meant is not guessed.
 */
export async function defaultRoute(
  sql: Sql,
  tenant: string,
  sessionKey: string,
): Promise<string | undefined> {
  interface Row {
    readonly routeId: string;
    readonly isDefault: boolean;
  }
  const found = await rows<Row>(sql, FIND, [tenant, sessionKey]);
  const [head] = found;
  return head !== undefined && (head.isDefault || found.length === 1) ? head.routeId : undefined;
}
