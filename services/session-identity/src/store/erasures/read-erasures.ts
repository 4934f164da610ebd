import type { Query } from "../db.ts";
import { NOW_MS } from "../moments.ts";
import { type StandingErasure, type StandingErasureRow, standingOf } from "./erasure-row.ts";

/** With the row of the conversation's key, which tells whether somebody came back. */
const STANDING = `
    select e.*, ${NOW_MS} as now_ms, (
      select to_json(k) from session_keys k
      where k.tenant = e.tenant and k.session_key = e.keys->0->>'sessionKey') as key
    from erasures e`;

const READ = {
  name: "read_erasure",
  text: `${STANDING} where e.tenant = $1 and e.erasure_id = $2`,
};

export async function readErasure(
  query: Query,
  tenant: string,
  erasureId: string,
): Promise<StandingErasure | undefined> {
  const { rows } = await query.query<StandingErasureRow>(READ, [tenant, erasureId]);
  return rows[0] && standingOf(rows[0]);
}

const LIST = {
  name: "list_erasures",
  text: `${STANDING}
    where e.tenant = $1 and ($2::uuid is null or e.erasure_id < $2) and (e.end_time is null or not $3)
    order by e.erasure_id desc limit $4`,
};

/** A tenant's erasures, newest first. */
export async function listErasures(
  query: Query,
  tenant: string,
  wanted: {
    readonly before: string | undefined;
    readonly underWayOnly: boolean;
    readonly limit: number;
  },
): Promise<readonly StandingErasure[]> {
  const { before, underWayOnly, limit } = wanted;
  const { rows } = await query.query<StandingErasureRow>(LIST, [
    ...[tenant, before ?? null, underWayOnly, limit],
  ]);
  return rows.map(standingOf);
}

/** Those who hold what was said, and say when they have nothing of it any more. */
export type Holder = "runner" | "delivery";

/** A statement for each, so that their plans are those of the partial index. */
const toDo = (holder: Holder) => ({
  name: `erasures_of_${holder}`,
  text: `${STANDING}
    where e.end_time is null and e.${holder}_time is null and ($1::uuid is null or e.erasure_id > $1)
    order by e.erasure_id limit $2`,
});

const TO_DO = { runner: toDo("runner"), delivery: toDo("delivery") };

/** Those of all tenants that somebody has not reported as done, oldest first. */
export async function erasuresToDo(
  query: Query,
  holder: Holder,
  after: string | undefined,
  limit: number,
): Promise<readonly StandingErasure[]> {
  const { rows } = await query.query<StandingErasureRow>(TO_DO[holder], [after ?? null, limit]);
  return rows.map(standingOf);
}

const COUNT = {
  name: "count_erasures",
  text: "select count(*)::int as count from erasures where end_time is null and tenant = $1",
};

export async function countUnderWay(query: Query, tenant: string): Promise<number> {
  const { rows } = await query.query<{ readonly count: number }>(COUNT, [tenant]);
  return rows[0]?.count ?? 0;
}

const REMOVED = {
  name: "removed_erasures",
  text: `select tenant, erasure_id from erasures
    where end_time is null and runner_time is not null and delivery_time is not null
    order by erasure_id limit $1`,
};

/** Those of which nobody has anything any more: what is left is what session-identity has. */
export async function removedErasures(
  query: Query,
  limit: number,
): Promise<readonly { readonly tenant: string; readonly erasureId: string }[]> {
  const { rows } = await query.query<{ tenant: string; erasure_id: string }>(REMOVED, [limit]);
  return rows.map(({ tenant, erasure_id: erasureId }) => ({ tenant, erasureId }));
}
