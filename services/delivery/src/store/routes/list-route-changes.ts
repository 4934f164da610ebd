import type { OnFailure, OnUnknown } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { rows, type Sql } from "../sql.ts";

/** How a route stood after a change. */
export interface RouteChangeRow {
  readonly changeNumber: number;
  readonly source: string;
  readonly isDefault: boolean;
  readonly onFailure: OnFailure;
  readonly onUnknown: OnUnknown;
  readonly blockedBy: string | null;
  /** Where it led. */
  readonly address: string;
  readonly principal: string;
  readonly note: string;
  readonly createTime: Date;
}

const LIST = {
  name: "delivery_list_route_changes",
  text: `
SELECT c.change_number AS "changeNumber", c.source, c.is_default AS "isDefault", c.on_failure AS "onFailure",
  c.on_unknown AS "onUnknown", c.blocked_by AS "blockedBy", coalesce(c.address, r.address) AS address,
  c.principal, c.note, c.create_time AS "createTime"
FROM route_changes c JOIN routes r USING (tenant, route_id)
WHERE tenant = $1 AND route_id = $2 AND ($3::int IS NULL OR c.change_number < $3)
ORDER BY c.change_number DESC LIMIT $4`,
};

/** Newest first, from before `beforeNumber`. */
export function listRouteChanges(
  sql: Sql,
  tenant: string,
  routeId: string,
  page: { readonly beforeNumber: number | undefined; readonly limit: number },
): Promise<RouteChangeRow[]> {
  return rows(sql, LIST, [tenant, routeId, page.beforeNumber ?? null, page.limit]);
}
