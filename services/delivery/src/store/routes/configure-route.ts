import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type Changer, recordChange } from "./record-change.ts";
import { ROUTE_COLUMNS, type RouteRow } from "./route-row.ts";
import { type DeliveryDatabase, first } from "../sql.ts";
import { takeDefault } from "./take-default.ts";
import { unblock } from "../sending/unblock.ts";

/** What is to change; undefined: as it is. */
export interface RouteSettings {
  readonly onFailure?: number | undefined;
  readonly onUnknown?: number | undefined;
  readonly isDefault?: boolean | undefined;
}

const LOCK_KEY = {
  name: "delivery_lock_routes_of_key",
  text: `SELECT 1 FROM route_counts WHERE tenant = $1 AND session_key = $2 FOR UPDATE`,
};

const READ = {
  name: "delivery_read_route",
  text: `SELECT ${ROUTE_COLUMNS} FROM routes WHERE tenant = $1 AND route_id = $2`,
};

const CONFIGURE = {
  name: "delivery_configure_route",
  text: `
UPDATE routes SET on_failure = coalesce($3, on_failure), on_unknown = coalesce($4, on_unknown),
  is_default = coalesce($5, is_default), change_number = change_number + 1
WHERE tenant = $1 AND route_id = $2 AND (on_failure, on_unknown, is_default) IS DISTINCT FROM
  (coalesce($3, on_failure), coalesce($4, on_unknown), coalesce($5, is_default))
RETURNING route_id`,
};

/** Undefined: the tenant has no such route. */
export function readRoute(
  sql: Pick<DeliveryDatabase, "query">,
  tenant: string,
  routeId: string,
): Promise<RouteRow | undefined> {
  return first<RouteRow>(sql, READ, [tenant, routeId]);
}

/** Changes how a route goes on; the key's lock comes first, as in a registration. */
export function configureRoute(
  db: DeliveryDatabase,
  { tenant, routeId, sessionKey }: { tenant: string; routeId: string; sessionKey: string },
  { onFailure, onUnknown, isDefault }: RouteSettings,
  changer: Changer,
): Promise<RouteRow | undefined> {
  return db.transaction(async (sql) => {
    await sql.query(LOCK_KEY, [tenant, sessionKey]);
    const wanted = [onFailure ?? null, onUnknown ?? null, isDefault ?? null];
    const changed = await first(sql, CONFIGURE, [tenant, routeId, ...wanted]);
    if (changed !== undefined) {
      const taken = isDefault ? await takeDefault(sql, tenant, sessionKey, routeId) : [];
      if (onFailure === OnFailure.SKIP) await unblock(sql, tenant, routeId);
      await recordChange(sql, tenant, [routeId, ...taken], changer);
    }
    return readRoute(sql, tenant, routeId);
  });
}
