import { LIMITS } from "../../limits.ts";
import type { Asker } from "../journal/journal-rows.ts";
import type { Db, Tx } from "../db.ts";

/** A UUIDv7 (RFC 9562) made by the server: 48 bits of time over a random UUIDv4, its version set. */
const UUID_V7 = `encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
    from 1 for 6), 52, 1), 53, 1), 'hex')::uuid`;

/** Each key gets a new generation and id, with its predecessor as parent; its run and replies are over. */
const LIFT_KEYS = `
  with before as (
    select tenant, session_key, session_id, generation, active_run_id from session_keys
    where session_id is not null
  ), lifted as (
    update session_keys k set
      generation = k.generation + $1, run_epoch = k.run_epoch + $1,
      parent_session_id = k.session_id, session_id = ${UUID_V7},
      oldest_deliverable_generation = k.generation + $1,
      rotate_time = clock_timestamp(), used = true, revision = k.revision + $1, last_run = null,
      active_run_id = null, active_turn_id = null, active_turn_class = null,
      active_begin_generation = null, active_last_event_seq = null, active_lease_ms = null,
      active_lease_expire_time = null, active_start_time = null, active_heartbeat_time = null,
      active_model = null
    where k.session_id is not null
    returning k.tenant, k.session_key, k.agent_id, k.session_id, k.generation
  ), told as (
    insert into journal (tenant, create_time, operation, accepted, reason, session_key, raw_key,
      session_id, generation, turn_id, delivery_id, source, principal, request_id, trace_id,
      rule_set_version, error_message, note, count, last_time)
    select l.tenant, clock_timestamp(), 'raise_fences', true, 'MIGRATION', l.session_key, '',
      l.session_id::text, l.generation, '', '', $2, $3, $4, $5, 0, '', $6, 1, clock_timestamp()
    from lifted l
  )
  insert into generations (tenant, session_key, generation, session_id, agent_id, reason,
    previous_session_id, previous_generation, parent_session_id, principal, note, create_time,
    queued_turns, pending_replies, perhaps_sent_count)
  select l.tenant, l.session_key, l.generation, l.session_id, l.agent_id, 'migration',
    b.session_id, b.generation, b.session_id, $3, $6, clock_timestamp(), 'carry', 'suppress',
    (select count(*) from replies p
      where p.tenant = l.tenant and p.session_key = l.session_key and p.state = 'sending')
  from lifted l join before b using (tenant, session_key)`;

/**
 * A MIGRATION of every key of every tenant, in one transaction that keeps all others out: nothing that
 * was valid before is accepted any more. Gives how many keys were lifted; a repeat lifts nothing.
 */
export function raiseFences(
  db: Db,
  requestId: string,
  note: string,
  asker: Asker,
): Promise<bigint> {
  return db.transaction(async (tx) => {
    // Waits for the engine's transactions, which hold row locks of this table, and keeps new ones out.
    await tx.query("lock table session_keys in exclusive mode");
    const known = await knownAnswer(tx, requestId);
    if (known !== undefined) return known;
    const params = [
      ...[LIMITS.fenceLift, asker.source, asker.principal, asker.requestId, asker.traceId, note],
    ];
    const { rowCount } = await tx.query(LIFT_KEYS, params);
    await endRuns(tx);
    await tx.query(
      `update history set history_id = gen_random_uuid(),
         generation_floor = generation_floor + $1, epoch_floor = epoch_floor + $1,
         run_ids_from = greatest(run_ids_from, clock_timestamp()) + $2::float8 * interval '1 millisecond'`,
      [LIMITS.fenceLift, LIMITS.runClockAheadMs],
    );
    await tx.query(
      `insert into requests (tenant, request_id, fingerprint, answer, create_time)
       values ('', $1, 'raise_fences', $2::jsonb, clock_timestamp())`,
      [requestId, JSON.stringify({ keyCount: rowCount })],
    );
    return BigInt(rowCount);
  });
}

async function knownAnswer(tx: Tx, requestId: string): Promise<bigint | undefined> {
  const { rows } = await tx.query<{ answer: { keyCount: number } }>(
    "select answer from requests where tenant = '' and request_id = $1",
    [requestId],
  );
  return rows[0] === undefined ? undefined : BigInt(rows[0].answer.keyCount);
}

/** A claimed send may have arrived; what changed before is of a history that no watcher may go on in. */
async function endRuns(tx: Tx): Promise<void> {
  await tx.query(
    `update runs r set state = 'rotated', stale_generation = k.generation
     from session_keys k
     where r.state = 'active' and k.tenant = r.tenant and k.session_key = r.session_key`,
  );
  await tx.query("update replies set state = 'unknown' where state = 'sending'");
  await tx.query("delete from session_changes");
}
