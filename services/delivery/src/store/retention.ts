import { stateCode } from "../domain/delivery-state.ts";
import { first, type Sql } from "./sql.ts";

export interface Retention {
  readonly deadLetterRetentionMs: number;
  readonly deliveryRetentionMs: number;
  readonly attemptRetentionMs: number;
  readonly retentionBatch: number;
}

const DEAD = `(${stateCode("FAILED")}, ${stateCode("UNKNOWN")})`;

/** Rows of `table` that tell of a dead letter which is removed; found one by one in the index of their key. */
const ofDead = (table: string): string => `
DELETE FROM ${table} WHERE ctid = ANY (ARRAY (
  SELECT o.ctid FROM gone g CROSS JOIN LATERAL (
    SELECT t.ctid FROM ${table} t WHERE t.tenant = g.tenant AND t.delivery_id = g.delivery_id OFFSET 0
  ) o WHERE g.state IN ${DEAD}))`;

/** A dead letter goes with its attempts and what was done about it, which last longer and nobody can read then. */
const REMOVE_DELIVERIES = `
WITH gone AS (
  DELETE FROM deliveries WHERE ctid IN (
    SELECT ctid FROM deliveries
    WHERE end_time < now() - least($1::float8, $2::float8) * interval '1 millisecond'
      AND end_time < now() - CASE WHEN state IN ${DEAD} THEN $1::float8 ELSE $2::float8 END * interval '1 millisecond'
      AND NOT EXISTS (SELECT 1 FROM routes r
        WHERE r.tenant = deliveries.tenant AND r.blocked_by = deliveries.delivery_id
          AND r.route_id = deliveries.route_id)
    LIMIT $3)
  RETURNING tenant, delivery_id, state
), attempted AS (${ofDead("attempts")}
), acted AS (${ofDead("dead_letter_acts")}
)
SELECT count(*)::int AS count FROM gone`;

const REMOVE_ATTEMPTS = `
DELETE FROM attempts WHERE ctid IN (
  SELECT ctid FROM attempts WHERE start_time < now() - $1 * interval '1 millisecond' LIMIT $2)`;

const REMOVE_ACTS = `
DELETE FROM dead_letter_acts WHERE ctid IN (
  SELECT ctid FROM dead_letter_acts
  WHERE create_time < now() - $1 * interval '1 millisecond' LIMIT $2)`;

/** A place whose turn came so long ago is one that nobody waits for. */
const REMOVE_PACES = `
DELETE FROM paces WHERE ctid IN (
  SELECT ctid FROM paces WHERE next_time < now() - interval '1 hour' LIMIT $1)`;

/** Nobody has told of them for as long as replies are remembered, whose routes lead on. */
const REMOVE_MOVED = `
DELETE FROM moved_addresses WHERE ctid IN (
  SELECT ctid FROM moved_addresses
  WHERE update_time < now() - $1 * interval '1 millisecond' LIMIT $2)`;

/** Removes one portion of what is past its retention. True: there may be more. */
export async function removeExpired(sql: Sql, retention: Retention): Promise<boolean> {
  const { deadLetterRetentionMs, deliveryRetentionMs, attemptRetentionMs } = retention;
  const limit = retention.retentionBatch;
  const terms = [deadLetterRetentionMs, deliveryRetentionMs, limit];
  const deliveries = await first<{ readonly count: number }>(sql, REMOVE_DELIVERIES, terms);
  const attempts = await sql.query(REMOVE_ATTEMPTS, [attemptRetentionMs, limit]);
  const acts = await sql.query(REMOVE_ACTS, [deliveryRetentionMs, limit]);
  const paces = await sql.query(REMOVE_PACES, [limit]);
  const moved = await sql.query(REMOVE_MOVED, [deliveryRetentionMs, limit]);
  const others = [attempts, acts, paces, moved].map(({ rowCount }) => rowCount);
  return [deliveries?.count ?? 0, ...others].some((count) => count >= limit);
}
