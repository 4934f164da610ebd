import {
  byPlace,
  type Column,
  itemParams,
  itemTable,
  layEndToEnd,
  type Slice,
} from "@lanekeeper/postgres";
import { rows, type DeliveryDatabase, type Sql } from "../sql.ts";

/** A reply to be stored. The id counts only where the request is new. */
export interface NewDelivery {
  readonly tenant: string;
  readonly deliveryId: string;
  readonly routeId: string;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly requestId: string;
  readonly fingerprint: Buffer;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceId: string;
  readonly traceparent: string;
  readonly parts: readonly Uint8Array[];
  /** Undefined: `expireMs` from now. */
  readonly expireTime: Date | undefined;
  readonly expireMs: number;
}

export type EnqueueResult =
  | {
      readonly kind: "enqueued" | "repeated";
      readonly deliveryId: string;
      readonly routeSeq: bigint;
    }
  /** The request id stands for other content. */
  | { readonly kind: "mismatch" }
  /** The tenant has no such route. */
  | { readonly kind: "no_route" }
  /** As many wait on the route as may. */
  | { readonly kind: "full" };

interface Known {
  readonly place: number;
  readonly deliveryId: string;
  readonly routeSeq: bigint;
  readonly fingerprint: Buffer;
}

const FIND = {
  name: "delivery_find_requests",
  text: `
SELECT i.place::int, d.delivery_id AS "deliveryId", d.route_seq AS "routeSeq", d.fingerprint
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i (tenant, request_id, place)
JOIN deliveries d USING (tenant, request_id)`,
};

/** In the order of the rows' key, as everybody locks routes who locks several. */
const LOCK_ROUTES = {
  name: "delivery_lock_routes",
  text: `
SELECT i.place::int, r.last_seq - r.head_seq + 1 AS waiting
FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS i (tenant, route_id, place)
JOIN routes r ON r.tenant = i.tenant AND r.route_id = i.route_id
ORDER BY r.tenant, r.route_id FOR UPDATE OF r`,
};

const COUNT_WAITING = {
  name: "delivery_count_waiting",
  text: `
SELECT count(*)::int AS waiting FROM (
  SELECT 1 FROM deliveries d JOIN routes r USING (tenant, route_id)
  WHERE tenant = $1 AND route_id = $2 AND d.route_seq >= r.head_seq AND d.state IN (1, 2) LIMIT $3
) open`,
};

type Item = NewDelivery & { readonly partsIn: Slice };

const COLUMNS: readonly Column<Item>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "delivery_id", type: "uuid", of: ({ deliveryId }) => deliveryId },
  { name: "route_id", type: "uuid", of: ({ routeId }) => routeId },
  { name: "session_key", type: "text", of: ({ sessionKey }) => sessionKey },
  { name: "session_id", type: "uuid", of: ({ sessionId }) => sessionId },
  { name: "generation", type: "bigint", of: ({ generation }) => generation },
  { name: "turn_id", type: "text", of: ({ turnId }) => turnId },
  { name: "request_id", type: "text", of: ({ requestId }) => requestId },
  { name: "fingerprint", type: "bytea", of: ({ fingerprint }) => fingerprint },
  { name: "principal", type: "text", of: ({ principal }) => principal },
  { name: "request_label", type: "text", of: ({ requestLabel }) => requestLabel },
  { name: "trace_id", type: "text", of: ({ traceId }) => traceId },
  { name: "traceparent", type: "text", of: ({ traceparent }) => traceparent },
  { name: "expire_time", type: "timestamptz", of: ({ expireTime }) => expireTime ?? null },
  { name: "expire_ms", type: "bigint", of: ({ expireMs }) => expireMs },
  { name: "parts_from", type: "int", of: ({ partsIn }) => partsIn.from },
  { name: "parts_to", type: "int", of: ({ partsIn }) => partsIn.to },
];

const APPEND = {
  name: "delivery_append",
  text: `
WITH ${itemTable(COLUMNS)}, drawn AS (
  UPDATE routes r SET last_seq = r.last_seq + 1,
    due_time = CASE WHEN r.blocked_by IS NULL THEN coalesce(r.due_time, clock_timestamp())
      ELSE r.due_time END
  FROM item i WHERE r.tenant = i.tenant AND r.route_id = i.route_id
  RETURNING i.place, r.last_seq
), inserted AS (
  INSERT INTO deliveries (tenant, delivery_id, route_id, route_seq, session_key, session_id, generation,
    turn_id, request_id, fingerprint, principal, request_label, trace_id, traceparent, parts, state,
    create_time, next_attempt_time, expire_time)
  SELECT i.tenant, i.delivery_id, i.route_id, drawn.last_seq, i.session_key, i.session_id, i.generation,
    i.turn_id, i.request_id, i.fingerprint, i.principal, i.request_label, i.trace_id, i.traceparent,
    ($${COLUMNS.length + 1}::bytea[])[i.parts_from:i.parts_to], 1, t.now, t.now,
    coalesce(i.expire_time, t.now + i.expire_ms * interval '1 millisecond')
  FROM item i JOIN drawn USING (place) CROSS JOIN LATERAL (SELECT clock_timestamp() AS now) t
  ON CONFLICT (tenant, request_id) DO NOTHING
  RETURNING delivery_id, route_seq
)
SELECT i.place::int, n.route_seq AS "routeSeq" FROM inserted n JOIN item i USING (delivery_id)`,
};

/** A twin under the same request id came in between on another route, whose lock this one did not wait for. */
class LostRace extends Error {
  override readonly name = "LostRace";
}

/**
 * Stores replies at the end of their routes, each once per request id; no two are of one route. The
 * routes' rows are locked while the sequences are drawn, so the order on a route is the order of commit.
 * The look-up is a statement of its own after the lock: in one statement it would see the snapshot from
 * before the wait.
 */
export function enqueueAll(
  db: DeliveryDatabase,
  deliveries: readonly NewDelivery[],
  maxWaiting: number,
): Promise<readonly EnqueueResult[]> {
  return db.transaction(async (sql) => {
    const locked = await lockRoutes(sql, deliveries);
    const known = await findKnown(sql, deliveries);
    const results: (EnqueueResult | undefined)[] = [];
    for (const [index, delivery] of deliveries.entries()) {
      const waiting = locked[index]?.waiting;
      results.push(known[index] ?? (await refusalOf(sql, delivery, waiting, maxWaiting)));
    }
    const fresh = deliveries.filter((_, index) => results[index] === undefined);
    const appended = (await append(sql, fresh)).values();
    return results.map((result) => result ?? (appended.next().value as EnqueueResult));
  });
}

function lockRoutes(sql: Sql, deliveries: readonly NewDelivery[]) {
  const params = [deliveries.map(({ tenant }) => tenant), deliveries.map(({ routeId }) => routeId)];
  return rows<{ readonly place: number; readonly waiting: bigint }>(sql, LOCK_ROUTES, params).then(
    (found) => byPlace(found, deliveries.length),
  );
}

async function findKnown(
  sql: Sql,
  deliveries: readonly Request[],
): Promise<readonly (EnqueueResult | undefined)[]> {
  const params = [
    deliveries.map(({ tenant }) => tenant),
    deliveries.map(({ requestId }) => requestId),
  ];
  const found = byPlace(await rows<Known>(sql, FIND, params), deliveries.length);
  return found.map((known, index) => {
    const delivery = deliveries[index];
    return known && delivery && knownAs(known, delivery.fingerprint);
  });
}

function knownAs(
  { deliveryId, routeSeq, fingerprint }: Omit<Known, "place">,
  asked: Buffer,
): EnqueueResult {
  if (!fingerprint.equals(asked)) return { kind: "mismatch" };
  return { kind: "repeated", deliveryId, routeSeq };
}

/** What stands against a new reply. `waiting` is undefined where there is no such route. */
async function refusalOf(
  sql: Sql,
  { tenant, routeId }: NewDelivery,
  waiting: bigint | undefined,
  max: number,
): Promise<EnqueueResult | undefined> {
  if (waiting === undefined) return { kind: "no_route" };
  // At most so many.
  if (waiting < BigInt(max)) return undefined;
  // Counted, since a dead letter that was redriven stands far before those that wait.
  const [counted] = await rows<{ waiting: number }>(sql, COUNT_WAITING, [tenant, routeId, max]);
  return (counted?.waiting ?? 0) >= max ? { kind: "full" } : undefined;
}

async function append(
  sql: Sql,
  deliveries: readonly NewDelivery[],
): Promise<readonly EnqueueResult[]> {
  if (deliveries.length === 0) return [];
  const parts = layEndToEnd(deliveries.map((one) => one.parts.map((part) => Buffer.from(part))));
  const nothing = { from: 1, to: 0 };
  const items = deliveries.map((one, index) => ({
    partsIn: parts.slices[index] ?? nothing,
    ...one,
  }));
  const params = [...itemParams(COLUMNS, items), parts.all];
  const found = await rows<{ place: number; routeSeq: bigint }>(sql, APPEND, params);
  if (found.length < deliveries.length) throw new LostRace("a request id was taken meanwhile");
  return byPlace(found, deliveries.length).map((row, index) => {
    const deliveryId = deliveries[index]?.deliveryId ?? "";
    return { kind: "enqueued", deliveryId, routeSeq: row?.routeSeq ?? 0n };
  });
}

type Request = Pick<NewDelivery, "tenant" | "requestId" | "fingerprint">;

/** What was made of a request before; undefined: nothing. */
export async function findRequest(sql: Sql, request: Request): Promise<EnqueueResult | undefined> {
  return (await findKnown(sql, [request]))[0];
}

/** What the twin made that a request lost its race to; undefined: it failed for another reason. */
export async function findTwin(
  sql: Sql,
  request: Request,
  error: unknown,
): Promise<EnqueueResult | undefined> {
  return error instanceof LostRace ? findRequest(sql, request) : undefined;
}
