import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageOf } from "./codec.ts";
import { first, rows, type Sql } from "./sql.ts";

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
 * claim is a time before which nobody else tries.
 */
const CLAIM_HEAD = {
  name: "runner_claim_outbox_head",
  text: `
WITH head AS (
  SELECT outbox_id FROM outbox
  WHERE tenant = $1 AND session_key = $2 AND refusal IS NULL
  ORDER BY outbox_id LIMIT 1
)
UPDATE outbox o SET next_attempt_time = clock_timestamp() + $3 * interval '1 ms'
FROM head WHERE o.outbox_id = head.outbox_id AND o.next_attempt_time <= clock_timestamp()
RETURNING o.outbox_id AS "outboxId", o.tenant, o.session_key AS "sessionKey", o.turn_id AS "turnId",
  o.route_id AS "routeId", o.session_id AS "sessionId", o.generation, o.principal,
  o.request_id AS "requestId", o.traceparent, o.reply, o.attempt_count AS "attemptCount"`,
};

/** Undefined: the lane has nothing to send now. */
export async function claimOutboxHead(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  claimMs: number,
): Promise<OutboxRow | undefined> {
  type Raw = Omit<OutboxRow, "reply"> & { readonly reply: Buffer };
  const row = await first<Raw>(sql, CLAIM_HEAD, [tenant, sessionKey, claimMs]);
  return row && { ...row, reply: messageOf(row.reply) };
}

const REMOVE = { name: "runner_remove_outbox", text: "DELETE FROM outbox WHERE outbox_id = $1" };

/** Delivery has it. */
export async function removeOutbox(sql: Sql, outboxId: bigint): Promise<void> {
  await sql.query(REMOVE, [outboxId]);
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
export function outboxLanesDue(
  sql: Sql,
  limit: number,
): Promise<{ readonly tenant: string; readonly sessionKey: string }[]> {
  return rows(sql, LANES_DUE, [limit]);
}
