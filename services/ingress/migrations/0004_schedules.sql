-- Turns that come by the clock.
CREATE TABLE schedules (
  tenant text NOT NULL CHECK (tenant <> ''),
  schedule_id text NOT NULL CHECK (schedule_id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
  agent_id text NOT NULL CHECK (agent_id <> ''),
  cron text NOT NULL,
  time_zone text NOT NULL,
  message text NOT NULL CHECK (message <> ''),
  on_conflict text NOT NULL CHECK (on_conflict IN ('enqueue', 'reject')),
  -- Empty: replies stay in the transcript.
  route_id text NOT NULL,
  -- The configuration's; CreateSchedule made the others.
  from_config boolean NOT NULL,
  is_paused boolean NOT NULL DEFAULT false,
  principal text NOT NULL,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- NULL: paused.
  next_due_time timestamptz CHECK ((next_due_time IS NULL) = is_paused),
  -- Who runs it, and until when nobody else does. For one at a time; that a run is not doubled rests
  -- on its turn's idempotency key.
  lease_token uuid,
  lease_until timestamptz,
  last_due_time timestamptz,
  last_run_time timestamptz,
  last_turn_id text NOT NULL DEFAULT '',
  last_reason text NOT NULL DEFAULT '',
  last_error text NOT NULL DEFAULT '',
  last_missed_time timestamptz,
  PRIMARY KEY (tenant, schedule_id)
);

-- What each replica asks once a second.
CREATE INDEX schedules_due ON schedules (next_due_time) WHERE next_due_time IS NOT NULL;
