-- Conversations that are erased. An ended one names nobody any more.
create table erasures (
  tenant text collate "C" not null,
  erasure_id uuid not null,
  -- An array of {sessionKey, throughGeneration}: the conversation's key first. Empty once it has ended.
  keys jsonb not null,
  principal text not null,
  note text not null,
  -- Replies whose send was claimed when it began.
  perhaps_sent_count integer not null,
  create_time timestamptz not null,
  -- When each of those who hold what was said had nothing of it any more.
  runner_time timestamptz,
  delivery_time timestamptz,
  end_time timestamptz,
  -- Whether somebody spoke under the key again; known once it has ended.
  returned boolean,
  primary key (tenant, erasure_id),
  check ((end_time is null) = (returned is null))
);
create index erasures_under_way on erasures (erasure_id) where end_time is null;
create index erasures_end_time on erasures (end_time) where end_time is not null;
-- The erasure that takes the key away, unless somebody comes back to it before. No run changes it.
alter table session_keys add column erasure_id uuid;
-- Names of a key, which go with it.
create index key_bindings_session_key on key_bindings (tenant, session_key);
-- The largest numbers of keys that went with a name which may come back: new keys start behind them.
create table tenant_floors (
  tenant text collate "C" primary key,
  generation bigint not null,
  run_epoch bigint not null,
  revision bigint not null
);
