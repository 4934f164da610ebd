import { first, type Sql } from "../sql.ts";

/** Where a hint is shown. */
export interface HintPlaceRow {
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
}

const READ = {
  name: "delivery_read_hint_place",
  text: `
SELECT kind, account_id AS "accountId", address, thread_id AS "threadId" FROM routes r
WHERE tenant = $1 AND route_id = $2
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant = r.tenant AND d.turn_id = $3)`,
};

/** Undefined: the tenant has no such route, or the turn's reply is here already and needs no hint. */
export function readHintPlace(
  sql: Sql,
  { tenant, routeId, turnId }: { tenant: string; routeId: string; turnId: string },
): Promise<HintPlaceRow | undefined> {
  return first<HintPlaceRow>(sql, READ, [tenant, routeId, turnId]);
}
