import { NOW_MS, POSTMASTER_START_MS } from "../moments.ts";
import { JOURNAL_COLUMNS, JOURNAL_TYPES, RUN_COLUMNS, XID } from "./write-batch-sql.ts";

/** Parameters before those of the parts. */
const FIRST_PART = 9;

/**
 * Locks those rows that the transaction which is named for each wrote last: nobody has changed them since. A
 * server that was started anew may stand at a backup, whose later transactions have the ids of those it has
 * lost; so may one that lost what it had not flushed, which its start does not tell, and the revision mostly does.
 * What is locked by others is left to who waits for it, so that two such statements never wait for each other.
 */
const UNCHANGED = `
    unchanged as materialized (
      select w.place::int
      from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $8::bigint[]) with ordinality
        as w(tenant, session_key, xid, policy_version, revision, place)
      join session_keys k
        on k.tenant = w.tenant and k.session_key = w.session_key and k.xmin = w.xid::xid
          and k.revision = w.revision
      where ${POSTMASTER_START_MS} = $5::float8
        and abs(extract(epoch from clock_timestamp()) * 1000 - $6::float8) <= $7::float8
        and (w.policy_version is null or w.policy_version = coalesce(
          (select t.version from tenant_policies t where t.tenant = w.tenant), 0))
      for no key update of k skip locked
    )`;

/** A row is written if its key, which stands at its `place`, is unchanged. */
const ITS_KEY_IS = "x.place = any (array(select u.place from unchanged u))";

/** Rows as JSON with the place of their key, in which int8 and times are text. */
function rowsOf(rows: string, types: string): string {
  return `json_to_recordset(${rows}::json) as x(place integer, ${types})`;
}

const KEY_TYPES = `tenant text, session_key text, revision bigint, run_epoch bigint,
        person_time timestamptz, used boolean, active_run_id uuid, active_turn_id text,
        active_turn_class text, active_begin_generation bigint, active_last_event_seq bigint,
        active_lease_ms integer, active_lease_expire_time timestamptz, active_start_time timestamptz,
        active_heartbeat_time timestamptz, active_model text, last_run jsonb`;

const RUN_TYPES = `tenant text, run_id uuid, session_key text, turn_id text, run_epoch bigint,
        begin_generation bigint, begin_session_id uuid, lease_ms integer, begin_time timestamptz, state text,
        stale_generation bigint, ending jsonb`;

/** What a run writes that begins or ends. Of a key it changes no more than this. */
const PARTS = {
  keys: (rows: string) => `
    written_keys as (
      update session_keys k set
        revision = x.revision, run_epoch = x.run_epoch, person_time = x.person_time, used = x.used,
        active_run_id = x.active_run_id, active_turn_id = x.active_turn_id,
        active_turn_class = x.active_turn_class, active_begin_generation = x.active_begin_generation,
        active_last_event_seq = x.active_last_event_seq, active_lease_ms = x.active_lease_ms,
        active_lease_expire_time = x.active_lease_expire_time, active_start_time = x.active_start_time,
        active_heartbeat_time = x.active_heartbeat_time, active_model = x.active_model,
        last_run = x.last_run
      from ${rowsOf(rows, KEY_TYPES)}
      where k.tenant = x.tenant and k.session_key = x.session_key and ${ITS_KEY_IS}
    )`,
  changes: (rows: string) => `
    written_changes as (
      insert into session_changes (tenant, session_key, agent_id, state, rotated)
      select tenant, session_key, agent_id, state, false
      from ${rowsOf(rows, "tenant text, session_key text, agent_id text, state json")}
      where ${ITS_KEY_IS}
    )`,
  newRuns: (rows: string) => `
    written_new_runs as (
      insert into runs (${RUN_COLUMNS})
      select ${RUN_COLUMNS} from ${rowsOf(rows, RUN_TYPES)}
      where ${ITS_KEY_IS}
    )`,
  runs: (rows: string) => `
    written_runs as (
      update runs r set state = x.state, ending = x.ending
      from ${rowsOf(rows, "tenant text, run_id uuid, state text, ending jsonb")}
      where r.tenant = x.tenant and r.run_id = x.run_id and ${ITS_KEY_IS}
    )`,
  journal: (rows: string) => `
    written_journal as (
      insert into journal (${JOURNAL_COLUMNS}, last_time)
      select ${JOURNAL_COLUMNS}, create_time
      from ${rowsOf(rows, JOURNAL_TYPES)}
      where ${ITS_KEY_IS}
    )`,
} as const;

/** A table, or a way to write it. */
export type KnownPart = keyof typeof PARTS;

const ALL = Object.keys(PARTS) as KnownPart[];

/** A statement that writes parts, each a parameter behind those that say what has to stand. */
export interface UnchangedStatement {
  readonly name: string;
  readonly text: string;
  readonly parts: readonly KnownPart[];
}

const made = new Map<string, UnchangedStatement>();

/** Everything that runs write which begin or end, for those of their keys that stand as the writer knew them. */
export function unchangedStatement(needs: (part: KnownPart) => boolean): UnchangedStatement {
  const name = `write_unchanged_${ALL.map((part) => Number(needs(part))).join("")}`;
  const known = made.get(name);
  if (known !== undefined) return known;
  const parts = ALL.filter(needs);
  const written = parts.map((part, index) => PARTS[part](`$${FIRST_PART + index}`));
  const text = `with ${[UNCHANGED, ...written].join(",")}
    select u.place, ${XID},
      ${NOW_MS} as now_ms from unchanged u`;
  const statement = { name, text, parts };
  made.set(name, statement);
  return statement;
}
