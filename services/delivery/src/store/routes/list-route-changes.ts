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
  readonly principal: string;
  readonly note: string;
  readonly createTime: Date;
}

const LIST = {
  name: "delivery_list_route_changes",
  text: `
SELECT change_number AS "changeNumber", source, is_default AS "isDefault", on_failure AS "onFailure",
  on_unknown AS "onUnknown", blocked_by AS "blockedBy", principal, note, create_time AS "createTime"
FROM route_changes
WHERE tenant = $1 AND route_id = $2 AND ($3::int IS NULL OR change_number < $3)
ORDER BY change_number DESC LIMIT $4`,
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
