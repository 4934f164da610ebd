import { defaultRoute } from "./default-route.ts";
import { first, type DeliveryDatabase, type Sql } from "./sql.ts";

/** A reply to be stored. The id counts only where the request is new. */
export interface NewDelivery {
  readonly tenant: string;
  readonly deliveryId: string;
  /** Undefined: the key's default route. */
  readonly routeId: string | undefined;
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
  /** The tenant has no such route, or the key has no default one. */
  | { readonly kind: "no_route" }
  /** As many wait on the route as may. */
  | { readonly kind: "full" };

const FIND = {
  name: "delivery_find_request",
  text: `
SELECT delivery_id AS "deliveryId", route_seq AS "routeSeq", fingerprint FROM deliveries
WHERE tenant = $1 AND request_id = $2`,
};

const DRAW_SEQ = {
  name: "delivery_draw_seq",
  text: `
UPDATE routes SET last_seq = last_seq + 1,
  due_time = CASE WHEN blocked_by IS NULL THEN coalesce(due_time, clock_timestamp()) END
WHERE tenant = $1 AND route_id = $2
RETURNING last_seq AS "routeSeq"`,
};

const LOCK_ROUTE = {
  name: "delivery_lock_route",
  text: `
SELECT r.last_seq - coalesce((
  SELECT d.route_seq FROM deliveries d WHERE d.tenant = r.tenant AND d.route_id = r.route_id
    AND d.state IN (1, 2) ORDER BY d.route_seq LIMIT 1
), r.last_seq + 1) + 1 AS waiting
FROM routes r WHERE r.tenant = $1 AND r.route_id = $2 FOR UPDATE OF r`,
};

const COUNT_WAITING = {
  name: "delivery_count_waiting",
  text: `
SELECT count(*)::int AS waiting FROM (
  SELECT 1 FROM deliveries WHERE tenant = $1 AND route_id = $2 AND state IN (1, 2) LIMIT $3
) open`,
};

const INSERT = {
  name: "delivery_insert",
  text: `
INSERT INTO deliveries (tenant, delivery_id, route_id, route_seq, session_key, session_id, generation,
  turn_id, request_id, fingerprint, principal, request_label, trace_id, traceparent, parts, state,
  create_time, next_attempt_time, expire_time)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1, t.now, t.now,
  coalesce($16::timestamptz, t.now + $17 * interval '1 millisecond')
FROM (SELECT clock_timestamp() AS now) t
ON CONFLICT (tenant, request_id) DO NOTHING
RETURNING delivery_id`,
};

class LostRace extends Error {
  override readonly name = "LostRace";
}

/**
 * Stores a reply at the end of its route, once per request id. The route's row is locked while the
 * sequence is drawn, so the order on the route is the order of commit. The look-up is a statement of
 * its own after the lock: in one statement it would see the snapshot from before the wait.
 */
export async function enqueue(
  db: DeliveryDatabase,
  delivery: NewDelivery,
  maxWaiting: number,
): Promise<EnqueueResult> {
  const known = await find(db, delivery);
  if (known !== undefined) return known;
  const { tenant, sessionKey } = delivery;
  const routeId = delivery.routeId ?? (await defaultRoute(db, tenant, sessionKey));
  if (routeId === undefined) return { kind: "no_route" };
  try {
    return await db.transaction(async (sql) => {
      const route = await first<{ waiting: bigint }>(sql, LOCK_ROUTE, [tenant, routeId]);
      if (route === undefined) return { kind: "no_route" };
      const twin = await find(sql, delivery);
      if (twin !== undefined) return twin;
      // Seen from before a wait for the lock, so the bound may be missed by the few who waited.
      if (route.waiting >= BigInt(maxWaiting) && (await isFull(sql, tenant, routeId, maxWaiting))) {
        return { kind: "full" };
      }
      return append(sql, delivery, routeId);
    });
  } catch (error) {
    // A twin on another route, whose lock this one did not wait for.
    const twin = error instanceof LostRace ? await find(db, delivery) : undefined;
    if (twin !== undefined) return twin;
    throw error;
  }
}

/** Counts, since a dead letter that was redriven stands far before those that wait. */
async function isFull(sql: Sql, tenant: string, routeId: string, max: number): Promise<boolean> {
  const counted = await first<{ waiting: number }>(sql, COUNT_WAITING, [tenant, routeId, max]);
  return (counted?.waiting ?? 0) >= max;
}

async function append(sql: Sql, delivery: NewDelivery, routeId: string): Promise<EnqueueResult> {
  const { tenant, deliveryId } = delivery;
  const drawn = await first<{ routeSeq: bigint }>(sql, DRAW_SEQ, [tenant, routeId]);
  if (drawn === undefined) throw new Error("a locked route is gone; routes are never removed");
  const inserted = await first(sql, INSERT, columns(delivery, routeId, drawn.routeSeq));
  if (inserted === undefined) throw new LostRace("the request id was taken meanwhile");
  return { kind: "enqueued", deliveryId, routeSeq: drawn.routeSeq };
}

async function find(
  sql: Sql,
  { tenant, requestId, fingerprint }: NewDelivery,
): Promise<EnqueueResult | undefined> {
  interface Row {
    readonly deliveryId: string;
    readonly routeSeq: bigint;
    readonly fingerprint: Buffer;
  }
  const row = await first<Row>(sql, FIND, [tenant, requestId]);
  if (row === undefined) return undefined;
  if (!row.fingerprint.equals(fingerprint)) return { kind: "mismatch" };
  return { kind: "repeated", deliveryId: row.deliveryId, routeSeq: row.routeSeq };
}

function columns(delivery: NewDelivery, routeId: string, routeSeq: bigint): unknown[] {
  const { tenant, deliveryId, sessionKey, sessionId, generation, turnId } = delivery;
  const { requestId, fingerprint, principal, requestLabel, traceId, traceparent } = delivery;
  return [
    ...[tenant, deliveryId, routeId, routeSeq, sessionKey, sessionId, generation, turnId],
    ...[requestId, fingerprint, principal, requestLabel, traceId, traceparent],
    delivery.parts.map((part) => Buffer.from(part)),
    delivery.expireTime ?? null,
    delivery.expireMs,
  ];
}
