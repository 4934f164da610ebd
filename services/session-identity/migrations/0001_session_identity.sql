-- Names carry no schema: the search_path of the migration decides where they land. Texts that are
-- compared or paged are in collation "C", so that their order is the order of their bytes.

-- One row: which history this database tells, and the floors at which new keys start.
create table history (
  only_row boolean primary key default true check (only_row),
  history_id uuid not null default gen_random_uuid(),
  generation_floor bigint not null default 0,
  epoch_floor bigint not null default 0
);
insert into history default values;

create table tenant_policies (
  tenant text collate "C" primary key,
  version bigint not null,
  default_agent_id text not null,
  rule_set_version integer not null,
  apply_time timestamptz not null,
  principal text not null
);

-- Every version that was ever in force; tenant_policies.version names the one that is.
create table key_policies (
  tenant text collate "C" not null,
  version bigint not null,
  agent_id text collate "C" not null,
  dm_scope text not null check (dm_scope in ('main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer')),
  idle_after_ms bigint,
  daily_at text not null,
  time_zone text not null,
  primary key (tenant, version, agent_id)
);

-- Channels with a typed binding: names that look like theirs take more than a plain credential.
create table tenant_channels (
  tenant text collate "C" not null,
  channel text collate "C" not null,
  primary key (tenant, channel)
);

-- What a tenant holds, in shards so that replicas do not wait for each other's first contacts.
create table tenant_usage (
  tenant text collate "C" not null,
  shard smallint not null,
  key_count bigint not null,
  binding_count bigint not null,
  primary key (tenant, shard)
);

-- One row per canonical key: every fence is a compare-and-set on it. No index beside the primary
-- key holds a column that a run changes, so those updates stay heap-only.
create table session_keys (
  tenant text collate "C" not null,
  session_key text collate "C" not null,
  agent_id text collate "C" not null,
  revision bigint not null default 0,
  internal boolean not null default false,
  alias_of text collate "C",
  moved_to text collate "C",
  rule_set_version integer not null,
  source text not null,
  bind_time timestamptz not null,
  -- The session that stands here; null while none does (an alias, a name that was only registered).
  session_id uuid,
  generation bigint check (generation >= 1),
  run_epoch bigint not null default 0,
  parent_session_id uuid,
  oldest_runnable_generation bigint not null default 0,
  oldest_deliverable_generation bigint not null default 0,
  create_time timestamptz,
  rotate_time timestamptz,
  -- When a person last spoke or was last answered; what idle and daily rollover are judged by.
  person_time timestamptz,
  -- Whether this generation has a history that a rollover would end.
  used boolean not null default false,
  active_run_id uuid,
  active_turn_id text,
  active_turn_class text check (active_turn_class in ('person', 'system')),
  active_begin_generation bigint,
  active_last_event_seq bigint,
  active_lease_ms integer,
  active_lease_expire_time timestamptz,
  active_start_time timestamptz,
  active_heartbeat_time timestamptz,
  active_model text,
  last_run jsonb,
  primary key (tenant, session_key),
  check ((session_id is null) = (generation is null)),
  check (active_run_id is null or session_id is not null),
  check (alias_of is null or session_id is null),
  check (num_nulls(active_run_id, active_turn_id, active_turn_class, active_begin_generation,
    active_last_event_seq, active_lease_ms, active_lease_expire_time, active_start_time,
    active_heartbeat_time, active_model) in (0, 10))
) with (fillfactor = 75);
create index session_keys_alias_of on session_keys (tenant, alias_of) where alias_of is not null;
create index session_keys_moved_to on session_keys (tenant, moved_to) where moved_to is not null;

-- Every session that ever stood under a key, and the rotation that brought it there.
create table generations (
  tenant text collate "C" not null,
  session_key text collate "C" not null,
  generation bigint not null,
  session_id uuid not null,
  agent_id text collate "C" not null,
  -- Null for the first session of a key.
  reason text check (reason in ('reset', 'compaction', 'idle', 'daily', 'restore', 'fork', 'replay', 'migration')),
  previous_session_id uuid,
  previous_generation bigint,
  parent_session_id uuid,
  parent_through_turn_id text not null default '',
  principal text not null,
  note text not null,
  create_time timestamptz not null,
  queued_turns text not null default 'carry' check (queued_turns in ('carry', 'skip')),
  pending_replies text not null default 'deliver' check (pending_replies in ('deliver', 'suppress')),
  perhaps_sent_count integer not null default 0,
  primary key (tenant, session_key, generation),
  check ((reason is null) = (previous_generation is null))
);
create unique index generations_session_id on generations (session_id);

-- Every run that ever began.
create table runs (
  tenant text collate "C" not null,
  run_id uuid not null,
  session_key text collate "C" not null,
  turn_id text not null,
  run_epoch bigint not null,
  begin_generation bigint not null,
  begin_session_id uuid not null,
  lease_ms integer not null,
  begin_time timestamptz not null,
  state text not null check (state in ('active', 'ended', 'taken_over', 'rotated', 'moved')),
  -- The generation whose beginning ended the run's right, where it was rotated away.
  stale_generation bigint,
  ending jsonb,
  primary key (tenant, run_id),
  check ((state = 'rotated') = (stale_generation is not null)),
  check ((state = 'ended') = (ending is not null))
) with (fillfactor = 75);
create index runs_active on runs (tenant, session_key) where state = 'active';
create index runs_begin_time on runs using brin (begin_time);

-- What runs and replies wrote, with the answer that a repeat gets.
create table lifecycle_events (
  tenant text collate "C" not null,
  writer_kind text not null check (writer_kind in ('run', 'reply')),
  writer_id text collate "C" not null,
  event_seq bigint not null,
  session_key text collate "C" not null,
  fingerprint text not null,
  applied boolean not null,
  lease_ms integer not null,
  revision bigint not null,
  create_time timestamptz not null,
  primary key (tenant, writer_kind, writer_id, event_seq)
);
create index lifecycle_events_create_time on lifecycle_events using brin (create_time);

create table replies (
  tenant text collate "C" not null,
  delivery_id text collate "C" not null,
  session_key text collate "C" not null,
  generation bigint not null,
  turn_id text not null,
  state text not null check (state in ('sending', 'sent', 'failed', 'unknown', 'suppressed_stale')),
  -- Whether a send was ever claimed: if so it may have arrived, whatever came after.
  claimed boolean not null,
  attempt integer not null,
  provider_message_id text not null,
  error_message text not null,
  update_time timestamptz not null,
  primary key (tenant, delivery_id),
  check (state <> 'sending' or claimed),
  check (state <> 'suppressed_stale' or not claimed)
);
create index replies_sending on replies (tenant, session_key) where state = 'sending';
create index replies_update_time on replies using brin (update_time);

-- Requests that are known by their request id, with the answer that a repeat gets.
create table requests (
  tenant text collate "C" not null,
  request_id text collate "C" not null,
  fingerprint text not null,
  answer jsonb not null,
  create_time timestamptz not null,
  primary key (tenant, request_id)
);
create index requests_create_time on requests using brin (create_time);

-- The ledger: what a name is bound to, for ever.
create table key_bindings (
  tenant text collate "C" not null,
  agent_id text collate "C" not null,
  kind text not null check (kind in ('raw', 'peer')),
  name text collate "C" not null,
  -- Raw names: the canonical key. Peers: what their one spelling rendered to when they were bound.
  session_key text collate "C" not null,
  -- Peers: the spelling without the thread, and the scope that the key was rendered for.
  party text collate "C",
  dm_scope text,
  rule_set_version integer not null,
  source text not null,
  first_seen_time timestamptz not null,
  last_seen_time timestamptz not null,
  primary key (tenant, agent_id, kind, name),
  check ((kind = 'peer') = (party is not null)),
  check ((kind = 'peer') = (dm_scope is not null))
);
create index key_bindings_party on key_bindings (tenant, agent_id, party) where party is not null;

-- `party`: the spelling of a peer without its thread; `root_party`: the spelling that stays.
create table peer_equivalences (
  tenant text collate "C" not null,
  agent_id text collate "C" not null,
  party text collate "C" not null,
  root_party text collate "C" not null,
  source text not null,
  create_time timestamptz not null,
  primary key (tenant, agent_id, party)
);
create index peer_equivalences_root on peer_equivalences (tenant, agent_id, root_party);

create table person_links (
  tenant text collate "C" not null,
  agent_id text collate "C" not null,
  party text collate "C" not null,
  person text not null,
  create_time timestamptz not null,
  primary key (tenant, agent_id, party)
);

-- Decisions. Equal refusals are one row with a count.
create table journal (
  entry_id bigint generated always as identity primary key,
  tenant text collate "C" not null,
  create_time timestamptz not null,
  operation text not null,
  accepted boolean not null,
  reason text not null,
  session_key text collate "C" not null,
  raw_key text not null,
  session_id text not null,
  generation bigint not null,
  turn_id text not null,
  shown jsonb,
  current jsonb,
  delivery_id text not null,
  source text not null,
  principal text not null,
  request_id text not null,
  trace_id text not null,
  rule_set_version integer not null,
  error_message text not null,
  note text not null,
  count integer not null,
  last_time timestamptz not null,
  refusal_hash text collate "C"
);
create index journal_by_key on journal (tenant, session_key, entry_id desc);
create index journal_by_request on journal (tenant, request_id, entry_id desc) where request_id <> '';
create index journal_by_trace on journal (tenant, trace_id, entry_id desc) where trace_id <> '';
create index journal_by_turn on journal (tenant, turn_id, entry_id desc) where turn_id <> '';
create unique index journal_refusals on journal (tenant, refusal_hash) where refusal_hash is not null;
create index journal_last_time on journal using brin (last_time);

-- The feed: whole states with the transaction that wrote them. What is visible in one snapshot and
-- was not in an earlier one is what was committed between; change_id orders within a key, since it
-- is drawn under the row's lock.
create table session_changes (
  change_id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  tenant text collate "C" not null,
  session_key text collate "C" not null,
  agent_id text collate "C" not null,
  state jsonb not null,
  merged_into text collate "C",
  create_time timestamptz not null default clock_timestamp()
);
create index session_changes_xid on session_changes (xid, change_id);
create index session_changes_create_time on session_changes using brin (create_time);
