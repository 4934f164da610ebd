-- Threads of a peer that was linked or equated, which go on under new names: noted with the act that renames
-- them, and taken away once they were carried, by whichever replica.
create table threads_to_carry (
  tenant text collate "C" not null,
  agent_id text collate "C" not null,
  carry_id bigint generated always as identity,
  -- The peer's spellings, and how its names were read before and are read now.
  what jsonb not null,
  -- On whose behalf.
  asker jsonb not null,
  create_time timestamptz not null default clock_timestamp(),
  -- When it was tried last.
  try_time timestamptz not null default clock_timestamp(),
  primary key (tenant, agent_id, carry_id)
);
