import { byPlace, UNHURRIED } from "@lanekeeper/postgres";
import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";

/** Whose replies are handed over one after another. */
export interface Lane {
  readonly tenant: string;
  readonly sessionKey: string;
}

/** A committed reply that delivery does not have yet. */
export interface OutboxRow {
  readonly outboxId: bigint;
  readonly tenant: string;
  readonly sessionKey: string;
  readonly turnId: string;
  readonly routeId: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly principal: string;
  readonly requestId: string;
  readonly traceparent: string;
  readonly reply: Message;
  readonly attemptCount: number;
}

/**
 * Only the first unsent row of a lane can be claimed, so that replies are handed over in lane order; a
 * claim is a time before which nobody else tries. Rows are locked in the order of their key; one that
 * somebody else has is his. A claim that is lost in a crash of the database was none.
 */
const CLAIM_HEADS = {
  name: "runner_claim_outbox_heads",
  text: `
WITH ${UNHURRIED}, head AS (
  SELECT i.place, h.outbox_id FROM unhurried, unnest($1::text[], $2::text[])
    WITH ORDINALITY AS i (tenant, session_key, place)
  CROSS JOIN LATERAL (
    SELECT outbox_id FROM outbox
    WHERE tenant = i.tenant AND session_key = i.session_key AND refusal IS NULL
    ORDER BY outbox_id LIMIT 1
  ) h
), locked AS (
  SELECT o.outbox_id, head.place FROM head JOIN outbox o ON o.outbox_id = head.outbox_id
  WHERE o.next_attempt_time <= clock_timestamp()
  ORDER BY o.outbox_id FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbox o SET next_attempt_time = clock_timestamp() + $3 * interval '1 ms'
FROM locked WHERE o.outbox_id = locked.outbox_id
RETURNING locked.place::int, o.outbox_id AS "outboxId", o.tenant, o.session_key AS "sessionKey",
  o.turn_id AS "turnId", o.route_id AS "routeId", o.session_id AS "sessionId", o.generation, o.principal,
  o.request_id AS "requestId", o.traceparent, o.reply, o.attempt_count AS "attemptCount"`,
};

/** For each lane, no two the same, what is to be sent next; undefined: nothing now. */
export async function claimOutboxHeads(
  sql: Sql,
  lanes: readonly Lane[],
  claimMs: number,
): Promise<readonly (OutboxRow | undefined)[]> {
  type Raw = Omit<OutboxRow, "reply"> & { readonly reply: Buffer; readonly place: number };
  const params = [lanes.map(({ tenant }) => tenant), lanes.map(({ sessionKey }) => sessionKey)];
  const found = await rows<Raw>(sql, CLAIM_HEADS, [...params, claimMs]);
  return byPlace(found, lanes.length).map((row) => row && { ...row, reply: messageOf(row.reply) });
}

/** Lost in a crash of the database, a row is handed over again, which changes nothing. */
const REMOVE = {
  name: "runner_remove_outbox",
  text: `
WITH ${UNHURRIED}
DELETE FROM outbox o USING unhurried, unnest($1::bigint[]) WITH ORDINALITY AS i (outbox_id, place)
WHERE o.outbox_id = i.outbox_id
RETURNING i.place::int, EXISTS (
  SELECT FROM outbox n WHERE n.tenant = o.tenant AND n.session_key = o.session_key
    AND n.refusal IS NULL AND n.outbox_id > o.outbox_id
) AS "hasMore"`,
};

/** Delivery has them. Tells for each whether more of its lane waits. */
export async function removeOutbox(
  sql: Sql,
  outboxIds: readonly bigint[],
): Promise<readonly boolean[]> {
  type Row = { readonly place: number; readonly hasMore: boolean };
  const found = await rows<Row>(sql, REMOVE, [outboxIds]);
  return byPlace(found, outboxIds.length).map((row) => row?.hasMore ?? true);
}

const DELAY = {
  name: "runner_delay_outbox",
  text: `
UPDATE outbox SET attempt_count = attempt_count + 1,
  next_attempt_time = clock_timestamp() + $2 * interval '1 ms'
WHERE outbox_id = $1`,
};

export async function delayOutbox(sql: Sql, outboxId: bigint, delayMs: number): Promise<void> {
  await sql.query(DELAY, [outboxId, delayMs]);
}

const REFUSE = {
  name: "runner_refuse_outbox",
  text: "UPDATE outbox SET refusal = $2 WHERE outbox_id = $1",
};

/** Delivery will never take it; it stays for people, for a while, and those behind it go on. */
export async function refuseOutbox(sql: Sql, outboxId: bigint, refusal: string): Promise<void> {
  await sql.query(REFUSE, [outboxId, refusal]);
}

const FORGET_REFUSED = {
  name: "runner_forget_refused_outbox",
  text: `
DELETE FROM outbox WHERE outbox_id IN (
  SELECT outbox_id FROM outbox
  WHERE refusal IS NOT NULL AND create_time < clock_timestamp() - $1 * interval '1 ms' LIMIT $2)`,
};

/** Removes replies that delivery refused long ago. Gives how many. */
export async function forgetRefused(sql: Sql, olderThanMs: number, limit: number): Promise<number> {
  return (await sql.query(FORGET_REFUSED, [olderThanMs, limit])).rowCount;
}

const LANES_DUE = {
  name: "runner_outbox_lanes_due",
  text: `
SELECT DISTINCT tenant, session_key AS "sessionKey" FROM outbox
WHERE refusal IS NULL AND next_attempt_time <= clock_timestamp() LIMIT $1`,
};

/** Lanes with replies that wait and that nobody is sending. */
export function outboxLanesDue(sql: Sql, limit: number): Promise<Lane[]> {
  return rows(sql, LANES_DUE, [limit]);
}
