import { OnFailure, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { placeDigest, type Place } from "../../domain/route-place.ts";
import { bringAlong } from "./bring-along.ts";
import { forgetSilent } from "./forget-silent.ts";
import { type Changer, recordChange } from "./record-change.ts";
import { ROUTE_COLUMNS, type RouteRow } from "./route-row.ts";
import { type DeliveryDatabase, first, type Sql } from "../sql.ts";
import { takeDefault } from "./take-default.ts";
import { unblock } from "../sending/unblock.ts";

/** A route to be registered. The id and the secret count only where the place is new. */
export interface NewRoute extends Place {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly routeId: string;
  readonly source: string;
  /** False leaves an existing route as it is. */
  readonly isDefault: boolean;
  readonly signingSecret: string;
  /** OnFailure and OnUnknown; undefined: as it is, or the default. */
  readonly onFailure?: number | undefined;
  readonly onUnknown?: number | undefined;
  readonly principal: string;
}

/** As it would stand: what was not said is left. */
const WANTED = `($4::text, is_default OR $5, coalesce($6, on_failure), coalesce($7, on_unknown))`;

const RENEW = {
  name: "delivery_renew_route",
  text: `
UPDATE routes SET update_time = clock_timestamp()
WHERE tenant = $1 AND session_key = $2 AND place = $3
  AND (source, is_default, on_failure, on_unknown) = ${WANTED}
RETURNING ${ROUTE_COLUMNS}`,
};

const COUNT = {
  name: "delivery_count_route",
  text: `
INSERT INTO route_counts (tenant, session_key, route_count) VALUES ($1, $2, 1)
ON CONFLICT (tenant, session_key) DO UPDATE SET route_count = route_counts.route_count + 1
RETURNING route_count AS "routeCount"`,
};

const UNCOUNT = {
  name: "delivery_uncount_route",
  text: `UPDATE route_counts SET route_count = route_count - 1 WHERE tenant = $1 AND session_key = $2`,
};

const CHANGE = {
  name: "delivery_change_route",
  text: `
UPDATE routes SET (source, is_default, on_failure, on_unknown) = ROW ${WANTED},
  update_time = clock_timestamp(), change_number = change_number + 1
WHERE tenant = $1 AND session_key = $2 AND place = $3
RETURNING ${ROUTE_COLUMNS}`,
};

const INSERT = {
  name: "delivery_insert_route",
  text: `
INSERT INTO routes (tenant, session_key, place, source, is_default, on_failure, on_unknown, route_id,
  kind, account_id, address, thread_id, signing_secret, look_time, change_number, create_time, update_time)
VALUES ($1, $2, $3, $4, $5, coalesce($6, 2), coalesce($7, 1), $8, $9, $10, $11, $12, $13,
  now() + $14::float8 * interval '1 millisecond', 1, now(), now())
RETURNING ${ROUTE_COLUMNS}`,
};

export interface RouteBounds {
  readonly routesPerKey: number;
  /** A place that was silent for so long gives way to a new one, where the key has as many as it may. */
  readonly silentRouteMs: number;
  /** Whether the key of a route to a parent, which was minted for a subagent, has gone is asked after so long. */
  readonly lookAtKeyMs: number;
}

/**
 * The route at this place, made where there is none. Undefined: the key has as many as it may, and all are used. The
 * usual registration, at an event that comes from where the last one did, is one statement and no entry
 * of the history. The count's row is the lock: whoever waited for it looks again, and finds what its
 * twin made. A conversation that has got another id is meant by either, and keeps its route.
 */
export async function registerRoute(
  db: DeliveryDatabase,
  asked: NewRoute,
  bounds: RouteBounds,
): Promise<RouteRow | undefined> {
  const renewed = await first<RouteRow>(db, RENEW, wanted(asked));
  if (renewed !== undefined) return renewed;
  return db.transaction(async (sql) => {
    const key = [asked.tenant, asked.sessionKey];
    const counted = await first<{ routeCount: number }>(sql, COUNT, key);
    const isFull = (counted?.routeCount ?? 0) > bounds.routesPerKey;
    const route = { ...asked, address: await bringAlong(sql, asked) };
    const twin = await first<RouteRow>(sql, RENEW, wanted(route));
    const changed = twin ?? (await first<RouteRow>(sql, CHANGE, wanted(route)));
    if (changed === undefined && !isFull)
      return record(sql, route, await insert(sql, route, bounds));
    await sql.query(UNCOUNT, key);
    if (changed === undefined) return inPlaceOfSilent(sql, route, bounds);
    return twin ?? record(sql, route, await goesOn(sql, route, changed));
  });
}

/** The number of the key's routes stays what it is. */
async function inPlaceOfSilent(
  sql: Sql,
  route: NewRoute,
  bounds: RouteBounds,
): Promise<RouteRow | undefined> {
  const { silentRouteMs } = bounds;
  const gone = await forgetSilent(sql, route.tenant, route.sessionKey, silentRouteMs);
  if (gone === undefined) return undefined;
  const note = `registered in the place of route ${gone}, which was silent`;
  return record(sql, route, await insert(sql, route, bounds), note);
}

/** Under its new policy it may not have to wait for anybody any more. */
async function goesOn(sql: Sql, { tenant }: NewRoute, changed: RouteRow): Promise<RouteRow> {
  if (changed.onFailure !== OnFailure.SKIP || changed.blockedBy === null) return changed;
  await unblock(sql, tenant, changed.routeId);
  return { ...changed, blockedBy: null };
}

async function record(
  sql: Sql,
  route: NewRoute,
  stored: RouteRow,
  note = "registered",
): Promise<RouteRow> {
  const { tenant, sessionKey, principal, isDefault } = route;
  const { routeId } = stored;
  const taken = isDefault ? await takeDefault(sql, tenant, sessionKey, routeId) : [];
  const changer: Changer = { principal, note };
  await recordChange(sql, tenant, [routeId, ...taken], changer);
  return stored;
}

async function insert(sql: Sql, route: NewRoute, { lookAtKeyMs }: RouteBounds): Promise<RouteRow> {
  const { routeId, kind, accountId, address, threadId, signingSecret } = route;
  const lookInMs = kind === RouteKind.PARENT_SESSION ? lookAtKeyMs : null;
  const rest = [routeId, kind, accountId, address, threadId, signingSecret, lookInMs];
  const row = await first<RouteRow>(sql, INSERT, [...wanted(route), ...rest]);
  if (row === undefined) throw new Error("an insert returned no row");
  return row;
}

function wanted(route: NewRoute): unknown[] {
  const { tenant, sessionKey, source, isDefault, onFailure, onUnknown } = route;
  const policy = [onFailure ?? null, onUnknown ?? null];
  return [tenant, sessionKey, placeDigest(route), source, isDefault, ...policy];
}
