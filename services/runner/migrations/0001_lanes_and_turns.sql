-- Lanes, turns and transcripts. Everything here is found by the tenant and a key or an id, so that
-- rows can be spread over several databases by either.

-- The durable queue of turns under one canonical key. The row is the lock under which turns are
-- accepted, claimed and ended: whoever changes both locks the lane first, then the turn.
CREATE TABLE lanes (
  tenant text NOT NULL,
  session_key text NOT NULL,
  -- The next turn's place in the order of acceptance.
  next_seq bigint NOT NULL,
  -- Turns that wait and that nobody holds.
  depth integer NOT NULL CHECK (depth >= 0),
  -- The turn that is claimed or runs, and the run that holds it.
  active_turn_id uuid,
  holder_run_id uuid,
  -- Person turns since the last system turn.
  persons_served integer NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, session_key),
  CONSTRAINT lanes_holder CHECK ((active_turn_id IS NULL) = (holder_run_id IS NULL))
) WITH (fillfactor = 70);

CREATE TABLE turns (
  tenant text NOT NULL,
  turn_id uuid NOT NULL,
  agent_id text NOT NULL,
  -- Null for a stateless turn.
  session_key text,
  state smallint NOT NULL,
  turn_class smallint NOT NULL,
  disposition smallint NOT NULL,
  on_conflict smallint NOT NULL,
  lane_seq bigint NOT NULL,
  -- Admitted by interrupt or rollback.
  front boolean NOT NULL,
  principal text NOT NULL,
  request_id text NOT NULL,
  idempotency_key text NOT NULL,
  trace_id text NOT NULL,
  traceparent text NOT NULL,
  origin bytea NOT NULL,
  route_id text NOT NULL,
  admitted_session_id text NOT NULL,
  admitted_generation bigint NOT NULL,
  -- 0: any.
  required_generation bigint NOT NULL,
  accept_time timestamptz NOT NULL,
  -- When max_wait is over.
  expire_time timestamptz,
  -- Messages as protobuf; the seed goes into an empty transcript alone.
  seed bytea[] NOT NULL,
  input bytea[] NOT NULL,
  parameters text NOT NULL,
  parent_turn_id uuid,
  call_chain text[] NOT NULL,

  -- The run that holds the turn, or that held it last.
  run_id uuid,
  -- The replica of that run; while nobody holds the turn, the one that has its caller.
  replica text NOT NULL,
  -- Runs that began.
  run_count integer NOT NULL DEFAULT 0,
  -- A hint for sweepers; the lease itself is session-identity's.
  renewed_at timestamptz,
  -- The run whose ending is stored and on its way to session-identity.
  prepared_run_id uuid,
  -- Somebody wants the active turn to end: 1 cancelled, 2 interrupted, 3 rolled back.
  stop smallint CHECK (stop BETWEEN 1 AND 3),
  stop_note text,
  -- Handed to the active turn `into_turn_id`: 1 not yet read by it, 2 read.
  steer smallint CHECK (steer BETWEEN 1 AND 2),
  -- Its caller left before the end: a retry without a key may join.
  caller_gone boolean NOT NULL DEFAULT false,

  -- The session that served it.
  session_id text,
  generation bigint,
  end_time timestamptz,
  error_reason text NOT NULL DEFAULT '',
  error_message text NOT NULL DEFAULT '',
  into_turn_id uuid,
  reply bytea,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  finish_reason text NOT NULL DEFAULT '',
  model text NOT NULL DEFAULT '',
  ended_stream_seq bigint,
  -- Whether its input stands in the transcript.
  is_told boolean NOT NULL DEFAULT false,

  PRIMARY KEY (tenant, turn_id),
  CONSTRAINT turns_state CHECK (state BETWEEN 1 AND 9),
  CONSTRAINT turns_ended CHECK ((state BETWEEN 3 AND 9) = (end_time IS NOT NULL)),
  CONSTRAINT turns_active_is_held CHECK (state <> 2 OR run_id IS NOT NULL),
  CONSTRAINT turns_completed_has_reply CHECK (state <> 3 OR reply IS NOT NULL)
) WITH (fillfactor = 70);

-- Lane order, sweeps, and lanes that have work.
CREATE INDEX turns_open ON turns (tenant, session_key, lane_seq) WHERE state IN (1, 2);
CREATE INDEX turns_of_key ON turns (tenant, session_key, turn_id DESC);
CREATE INDEX turns_of_request ON turns (tenant, request_id, turn_id DESC);
CREATE INDEX turns_of_trace ON turns (tenant, trace_id, turn_id DESC);
CREATE INDEX turns_of_parent ON turns (tenant, parent_turn_id, turn_id DESC)
  WHERE parent_turn_id IS NOT NULL;

-- Which turn a request was accepted as.
CREATE TABLE idempotency (
  tenant text NOT NULL,
  principal text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  turn_id uuid NOT NULL,
  is_generated boolean NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, principal, key)
);
-- A retry that shows no key is known by what it says.
CREATE INDEX idempotency_generated ON idempotency (tenant, principal, fingerprint) WHERE is_generated;
CREATE INDEX idempotency_age ON idempotency (create_time);

-- Runs that began, and their endings from before session-identity accepted them.
CREATE TABLE runs (
  tenant text NOT NULL,
  turn_id uuid NOT NULL,
  run_id uuid NOT NULL,
  -- From 1.
  ordinal integer NOT NULL,
  -- Empty for a stateless turn.
  session_id text NOT NULL,
  generation bigint NOT NULL,
  run_epoch bigint NOT NULL,
  replica text NOT NULL,
  start_time timestamptz NOT NULL,
  end_time timestamptz,
  outcome smallint NOT NULL DEFAULT 0,
  error_reason text NOT NULL DEFAULT '',
  error_message text NOT NULL DEFAULT '',
  -- The state that the turn will end in; null while nothing is prepared.
  prepared_state smallint,
  -- What the agent said and its tools answered, for the transcript.
  produced bytea[] NOT NULL DEFAULT '{}',
  keeps_input boolean NOT NULL DEFAULT false,
  seeds boolean NOT NULL DEFAULT false,
  reply bytea,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  finish_reason text NOT NULL DEFAULT '',
  model text NOT NULL DEFAULT '',
  ended_stream_seq bigint,
  PRIMARY KEY (tenant, turn_id, run_id),
  CONSTRAINT runs_prepared_state CHECK (prepared_state BETWEEN 3 AND 9)
);

-- Sessions as the runner has seen them: their parents, and how much was said in them.
CREATE TABLE sessions (
  tenant text NOT NULL,
  session_id text NOT NULL,
  session_key text NOT NULL,
  generation bigint NOT NULL,
  -- Empty: no history before this session's own.
  parent_session_id text NOT NULL,
  -- The last turn of the parent that belongs to the history; empty: all of it.
  parent_through_turn_id text NOT NULL,
  message_count bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, session_id)
);
CREATE INDEX sessions_of_key ON sessions (tenant, session_key, generation);

CREATE TABLE messages (
  tenant text NOT NULL,
  session_id text NOT NULL,
  -- From 1 within the session, without gaps.
  seq bigint NOT NULL,
  turn_id uuid NOT NULL,
  role smallint NOT NULL,
  principal text NOT NULL,
  body bytea NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, session_id, seq)
);
CREATE INDEX messages_of_system ON messages (tenant, session_id) WHERE role = 1;

-- Tool steps of a turn: what its next run need not do again.
CREATE TABLE tool_steps (
  tenant text NOT NULL,
  turn_id uuid NOT NULL,
  -- From 1 within the turn.
  step integer NOT NULL,
  run_id uuid NOT NULL,
  call_id text NOT NULL,
  name text NOT NULL,
  -- The assistant message that made the call, with the first step of it.
  said bytea,
  -- Null: begun, and perhaps done.
  result text,
  is_error boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, turn_id, step)
);

-- What a turn's callers are told, in portions, so that any replica can serve an attachment.
CREATE TABLE turn_events (
  tenant text NOT NULL,
  turn_id uuid NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  -- AttachTurnResponse messages, each behind its size.
  body bytea NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, turn_id, first_seq)
);
CREATE INDEX turn_events_age ON turn_events (create_time);

-- Replies on their way to delivery. The id is drawn under the lane's lock: its order is commit order.
CREATE TABLE outbox (
  outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  session_key text NOT NULL,
  turn_id uuid NOT NULL,
  route_id text NOT NULL,
  session_id text NOT NULL,
  generation bigint NOT NULL,
  principal text NOT NULL,
  request_id text NOT NULL,
  traceparent text NOT NULL,
  reply bytea NOT NULL,
  create_time timestamptz NOT NULL,
  attempt_count integer NOT NULL DEFAULT 0,
  next_attempt_time timestamptz NOT NULL,
  -- Delivery refused it for good.
  refusal text
);
CREATE INDEX outbox_unsent ON outbox (tenant, session_key, outbox_id) WHERE refusal IS NULL;

-- How agents answer, as configured.
CREATE TABLE agent_sets (
  tenant text PRIMARY KEY,
  version bigint NOT NULL
);
CREATE TABLE agents (
  tenant text NOT NULL,
  agent_id text NOT NULL,
  config bytea NOT NULL,
  -- Left out of the last set: answers no new turns, finishes those that it has.
  is_listed boolean NOT NULL,
  PRIMARY KEY (tenant, agent_id)
);

-- A run that waits for a turn of another lane. Of a run that holds its lane no more it is void.
CREATE TABLE wait_edges (
  tenant text NOT NULL,
  run_id uuid NOT NULL,
  turn_id uuid NOT NULL,
  from_key text NOT NULL,
  to_key text NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, run_id)
);
CREATE INDEX wait_edges_from ON wait_edges (tenant, from_key);
