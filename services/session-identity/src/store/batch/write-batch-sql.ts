export const JOURNAL_COLUMNS = `tenant, create_time, operation, accepted, reason, session_key, raw_key,
        session_id, generation, turn_id, shown, current, delivery_id, source, principal, request_id,
        trace_id, rule_set_version, error_message, note, count, refusal_hash`;

export const JOURNAL_TYPES = `tenant text, create_time timestamptz, operation text, accepted boolean,
        reason text, session_key text, raw_key text, session_id text, generation bigint, turn_id text,
        shown jsonb, current jsonb, delivery_id text, source text, principal text, request_id text,
        trace_id text, rule_set_version integer, error_message text, note text, count integer,
        refusal_hash text`;

export const RUN_COLUMNS = `tenant, run_id, session_key, turn_id, run_epoch, begin_generation,
        begin_session_id, lease_ms, begin_time, state, stale_generation, ending`;

const EVENT_COLUMNS = `tenant, writer_kind, writer_id, event_seq, session_key, fingerprint, applied,
        lease_ms, revision, create_time`;

const GENERATION_COLUMNS = `tenant, session_key, generation, session_id, agent_id, reason,
        previous_session_id, previous_generation, parent_session_id, parent_through_turn_id, principal,
        note, create_time, queued_turns, pending_replies, perhaps_sent_count`;

const REQUEST_COLUMNS = "tenant, request_id, fingerprint, answer, create_time";

const REPLY_COLUMNS = `tenant, delivery_id, session_key, generation, turn_id, state, claimed, attempt,
        provider_message_id, error_message, update_time`;

/** What every turn and every reply writes. Each is one parameter: rows as JSON, in which int8 and times are text. */
const OF_TURNS = {
  keys: (rows: string) => `
    written_keys as (
      update session_keys k set
        revision = x.revision, internal = x.internal, alias_of = x.alias_of, moved_to = x.moved_to,
        absorbed = x.absorbed, kept_until = x.kept_until, erasure_id = x.erasure_id,
        session_id = x.session_id, generation = x.generation, run_epoch = x.run_epoch,
        parent_session_id = x.parent_session_id,
        oldest_runnable_generation = x.oldest_runnable_generation,
        oldest_deliverable_generation = x.oldest_deliverable_generation,
        create_time = x.create_time, rotate_time = x.rotate_time, person_time = x.person_time,
        used = x.used, active_run_id = x.active_run_id, active_turn_id = x.active_turn_id,
        active_turn_class = x.active_turn_class, active_begin_generation = x.active_begin_generation,
        active_last_event_seq = x.active_last_event_seq, active_lease_ms = x.active_lease_ms,
        active_lease_expire_time = x.active_lease_expire_time, active_start_time = x.active_start_time,
        active_heartbeat_time = x.active_heartbeat_time, active_model = x.active_model,
        last_run = x.last_run
      from json_populate_recordset(null::session_keys, ${rows}::json) x
      where k.tenant = x.tenant and k.session_key = x.session_key
    )`,
  changes: (rows: string) => `
    written_changes as (
      insert into session_changes (tenant, session_key, agent_id, state, merged_into, rotated)
      select tenant, session_key, agent_id, state, merged_into, rotated
      from json_populate_recordset(null::session_changes, ${rows}::json)
    )`,
  newRuns: (rows: string) => `
    written_new_runs as (
      insert into runs (${RUN_COLUMNS})
      select ${RUN_COLUMNS} from json_populate_recordset(null::runs, ${rows}::json)
    )`,
  runs: (rows: string) => `
    written_runs as (
      update runs r set state = x.state, stale_generation = x.stale_generation, ending = x.ending
      from json_populate_recordset(null::runs, ${rows}::json) x
      where r.tenant = x.tenant and r.run_id = x.run_id
    )`,
  events: (rows: string) => `
    written_events as (
      insert into lifecycle_events (${EVENT_COLUMNS})
      select ${EVENT_COLUMNS} from json_populate_recordset(null::lifecycle_events, ${rows}::json)
    )`,
  journal: (rows: string) => `
    written_journal as (
      insert into journal (${JOURNAL_COLUMNS}, last_time)
      select ${JOURNAL_COLUMNS}, create_time
      from json_to_recordset(${rows}::json) as x(${JOURNAL_TYPES})
    )`,
  newReplies: (rows: string) => `
    written_new_replies as (
      insert into replies (${REPLY_COLUMNS})
      select ${REPLY_COLUMNS} from json_populate_recordset(null::replies, ${rows}::json)
    )`,
  replies: (rows: string) => `
    written_replies as (
      update replies p set state = x.state, claimed = x.claimed, attempt = x.attempt,
        provider_message_id = x.provider_message_id, error_message = x.error_message,
        update_time = x.update_time
      from json_populate_recordset(null::replies, ${rows}::json) x
      where p.tenant = x.tenant and p.delivery_id = x.delivery_id
    )`,
} as const;

/** What is written now and then. */
const NOW_AND_THEN = {
  generations: (rows: string) => `
    written_generations as (
      insert into generations (${GENERATION_COLUMNS})
      select ${GENERATION_COLUMNS} from json_populate_recordset(null::generations, ${rows}::json)
    )`,
  requests: (rows: string) => `
    written_requests as (
      insert into requests (${REQUEST_COLUMNS})
      select ${REQUEST_COLUMNS} from json_populate_recordset(null::requests, ${rows}::json)
    )`,
  // In one order: the acts that name two keys are refused under both, and hold neither.
  refusals: (rows: string) => `
    written_refusals as (
      insert into journal (${JOURNAL_COLUMNS}, last_time)
      select ${JOURNAL_COLUMNS}, create_time
      from json_to_recordset(${rows}::json) as x(${JOURNAL_TYPES})
      order by tenant collate "C", refusal_hash collate "C"
      on conflict (tenant, refusal_hash) where refusal_hash is not null
      do update set count = journal.count + excluded.count, last_time = excluded.last_time
    )`,
  bindings: (rows: string) => `
    new_bindings as (
      select * from json_to_recordset(${rows}::json) as x(tenant text, agent_id text, kind text, name text,
        session_key text, party text, dm_scope text, channel text, rule_set_version integer, source text,
        seen_time timestamptz)
    ), written_bindings as (
      insert into key_bindings (tenant, agent_id, kind, name, session_key, party, dm_scope, rule_set_version,
        source, first_seen_time, last_seen_time)
      select tenant, agent_id, kind, name, session_key, party, dm_scope, rule_set_version, source,
        seen_time, seen_time
      from new_bindings
      order by tenant collate "C", agent_id collate "C", kind, name collate "C"
      on conflict do nothing
      returning tenant
    ), written_channels as (
      insert into tenant_channels (tenant, channel)
      select distinct tenant collate "C", channel collate "C" from new_bindings n
      where channel is not null and not exists (
        select from tenant_channels c where c.tenant = n.tenant and c.channel = n.channel)
      order by 1, 2
      on conflict do nothing
    )`,
} as const;

const PARTS = { ...OF_TURNS, ...NOW_AND_THEN };

/** A table, or a way to write it. */
export type Part = keyof typeof PARTS;

const TURN_PARTS = Object.keys(OF_TURNS) as Part[];
const OTHER_PARTS = Object.keys(NOW_AND_THEN) as Part[];

/** The statement for a batch, and the order of its parameters, each the rows of a part as JSON. */
export interface WriteStatement {
  readonly name: string;
  readonly text: string;
  readonly parts: readonly Part[];
  /** Takes, behind the parts, a tenant for each new key and this replica's shard of the usage. */
  readonly countsUsage: boolean;
}

const made = new Map<string, WriteStatement>();

/**
 * Everything that a batch changes, in one statement and so one round trip: each part writes a table of
 * its own and none reads another's. A statement has those parts that the batch needs, since one that
 * writes nothing takes the server as long as a row; what is written now and then comes all together,
 * so that a connection keeps few statements.
 *
 * New runs and replies meet the primary key: an id that began under another key at the same moment
 * fails the batch, whose commands are then run one by one and find the other's record.
 */
export function writeStatement(needs: (part: Part) => boolean, isKeyMade: boolean): WriteStatement {
  const countsUsage = isKeyMade || OTHER_PARTS.some(needs);
  // A digit for each part of turns, and one for the rest: names of statements have 63 bytes.
  const name = `write_batch_${TURN_PARTS.map((part) => Number(needs(part))).join("")}${Number(countsUsage)}`;
  const known = made.get(name);
  if (known !== undefined) return known;
  const parts = [...TURN_PARTS.filter(needs), ...(countsUsage ? OTHER_PARTS : [])];
  const statement = { name, text: textOf(parts, countsUsage), parts, countsUsage };
  made.set(name, statement);
  return statement;
}

function textOf(parts: readonly Part[], countsUsage: boolean): string {
  const written = parts.map((part, index) => PARTS[part](`$${index + 1}`)).join(",");
  const last = countsUsage ? countUsage(parts.length) : `select ${XID}`;
  return `with ${written}\n${last}`;
}

/** The transaction's id as rows that it wrote show it: their xmin. */
export const XID = "pg_current_xact_id()::xid::text as xid";

const countUsage = (before: number) => `
    insert into tenant_usage (tenant, shard, key_count, binding_count)
    select tenant, $${before + 2}::smallint, sum(keys), sum(bindings) from (
      select unnest($${before + 1}::text[]) as tenant, 1 as keys, 0 as bindings
      union all select tenant, 0, 1 from written_bindings
    ) held
    group by tenant order by tenant
    on conflict (tenant, shard) do update set
      key_count = tenant_usage.key_count + excluded.key_count,
      binding_count = tenant_usage.binding_count + excluded.binding_count`;
