import { stateCode } from "../../domain/delivery-state.ts";
import { unblock } from "../sending/unblock.ts";
import { type DeliveryDatabase, rows, type Sql } from "../sql.ts";
import { endUnsent, goOnWithout, type LeftOut } from "./end-unsent.ts";

/** A key, and through which of its generations what was said under it goes. */
export interface ErasedPart {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly throughGeneration: bigint;
}

export interface RemovedReplies {
  readonly removed: number;
  /** Of those that were found, the ones that are there still: for the next look. */
  readonly left: number;
}

/**
 * Of `d`: whether it is one of a generation through $3. A redrive may have given it a later one since; what it says
 * was said before, which its history tells.
 */
const IS_ERASED = `(d.generation <= $3 OR d.redrive_id <> '' AND EXISTS (SELECT FROM dead_letter_acts a
  WHERE a.tenant = d.tenant AND a.delivery_id = d.delivery_id AND a.previous_generation <= $3))`;

/** In the order of the key's index. */
const PAGE = {
  name: "delivery_replies_of_key",
  text: `
SELECT d.delivery_id AS "deliveryId", d.route_id AS "routeId", ${IS_ERASED} AS "isErased" FROM deliveries d
WHERE d.tenant = $1 AND d.session_key = $2 AND d.delivery_id > $4::uuid ORDER BY d.delivery_id LIMIT $5`,
};

const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";

interface Found {
  readonly deliveryId: string;
  readonly routeId: string;
  readonly isErased: boolean;
}

/**
 * Removes replies of a key with their attempts and what was done about them, `limit` at once, each portion a
 * transaction. One that is being sent is left until it has ended, and one of which session-identity has not been told
 * until it has. Those that wait are ended here, without asking the fence: that it is erased is session-identity's own
 * word, and a key that was merged away, or a task's, was not reset, so the fence would let them out. So none waits for
 * its next attempt, behind others, or on a route that somebody has to let go on.
 */
export async function removeReplies(
  db: DeliveryDatabase,
  part: ErasedPart,
  limit: number,
  signal: AbortSignal,
): Promise<RemovedReplies> {
  const { tenant, sessionKey, throughGeneration } = part;
  let [removed, left] = [0, 0];
  for (let after = BEFORE_ALL; ; ) {
    signal.throwIfAborted();
    const params = [tenant, sessionKey, throughGeneration, after, limit];
    const page = await rows<Found>(db, PAGE, params);
    const erased = page.filter(({ isErased }) => isErased);
    const gone = erased.length === 0 ? 0 : await removeThese(db, part, erased);
    removed += gone;
    left += erased.length - gone;
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return { removed, left };
    after = last.deliveryId;
  }
}

/** In the order of the rows' key, as everybody locks routes who locks several. */
const LOCK_ROUTES = {
  name: "delivery_lock_routes_to_erase",
  text: `
SELECT route_id AS "routeId", blocked_by AS "blockedBy" FROM routes
WHERE tenant = $1 AND route_id = ANY ($2::uuid[]) ORDER BY tenant, route_id FOR UPDATE`,
};

/** Rows that the retention removes are left to it. */
const LOCK_REPLIES = {
  name: "delivery_lock_replies_to_erase",
  text: `
SELECT d.delivery_id AS "deliveryId", d.route_id AS "routeId", coalesce(d.gap_before, 0) AS "gapBefore",
  d.state = ${stateCode("PENDING")} AS waits,
  d.state = ${stateCode("PENDING")} AND d.was_claimed OR EXISTS (SELECT FROM attempts t
    WHERE t.tenant = d.tenant AND t.delivery_id = d.delivery_id AND t.untold IS NOT NULL) AS "isToBeTold"
FROM deliveries d
WHERE d.tenant = $1 AND d.delivery_id = ANY ($2::uuid[]) AND d.state <> ${stateCode("SENDING")} AND ${IS_ERASED}
ORDER BY d.delivery_id FOR UPDATE OF d SKIP LOCKED`,
};

const REMOVE = {
  name: "delivery_remove_erased",
  text: `
WITH acts AS (
  DELETE FROM dead_letter_acts WHERE tenant = $1 AND delivery_id = ANY ($2::uuid[])
), tried AS (
  DELETE FROM attempts WHERE tenant = $1 AND delivery_id = ANY ($2::uuid[])
)
DELETE FROM deliveries WHERE tenant = $1 AND delivery_id = ANY ($2::uuid[])`,
};

interface Locked extends LeftOut {
  readonly deliveryId: string;
  readonly waits: boolean;
  /** session-identity knows of it, and not yet how it ended. */
  readonly isToBeTold: boolean;
}

const ERASED = { outcome: "stale", error: "what it says has been erased" } as const;

/** Gives how many it has removed. */
function removeThese(
  db: DeliveryDatabase,
  { tenant, throughGeneration }: ErasedPart,
  found: readonly Found[],
): Promise<number> {
  const ids = found.map(({ deliveryId }) => deliveryId);
  const routeIds = [...new Set(found.map(({ routeId }) => routeId))];
  return db.transaction(async (sql) => {
    const routes = await rows<Held>(sql, LOCK_ROUTES, [tenant, routeIds]);
    const locked = await rows<Locked>(sql, LOCK_REPLIES, [tenant, ids, throughGeneration]);
    const waiting = locked.filter(({ waits }) => waits);
    const gone = locked.filter(({ isToBeTold }) => !isToBeTold).map(idOf);
    await letGoOn(sql, tenant, routes, new Set(gone));
    await endUnsent(sql, tenant, waiting.filter(({ isToBeTold }) => isToBeTold).map(idOf), ERASED);
    if (gone.length > 0) await sql.query(REMOVE, [tenant, gone]);
    await goOnWithout(sql, tenant, waiting);
    return gone.length;
  });
}

function idOf({ deliveryId }: Locked): string {
  return deliveryId;
}

interface Held {
  readonly routeId: string;
  /** The dead letter that holds it. */
  readonly blockedBy: string | null;
}

/** Routes that a reply holds which goes; before it does, since it tells of the gap before it. */
async function letGoOn(
  sql: Sql,
  tenant: string,
  routes: readonly Held[],
  gone: ReadonlySet<string>,
): Promise<void> {
  for (const { routeId, blockedBy } of routes) {
    if (blockedBy !== null && gone.has(blockedBy)) await unblock(sql, tenant, routeId, blockedBy);
  }
}
