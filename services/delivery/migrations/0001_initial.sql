-- Routes, replies on their way, and what each attempt came to. Everything here is found by the tenant
-- and an id, so that rows can be spread over several databases by the tenant. Names carry no schema:
-- the search_path decides where they land. Texts that are compared are in collation "C".

-- How many routes a key has; the row is the lock under which one is added.
CREATE TABLE route_counts (
  tenant text COLLATE "C" NOT NULL,
  session_key text COLLATE "C" NOT NULL,
  route_count integer NOT NULL,
  PRIMARY KEY (tenant, session_key)
);

-- An address of a session key. The row is the lock under which its deliveries are put in order,
-- claimed and ended: whoever changes both locks the route first, then the delivery.
CREATE TABLE routes (
  tenant text COLLATE "C" NOT NULL,
  route_id uuid NOT NULL,
  session_key text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,
  account_id text NOT NULL,
  address text NOT NULL,
  thread_id text NOT NULL,
  -- SHA-256 of kind, account, address and thread, which together would not fit into an index.
  place bytea NOT NULL,
  source text NOT NULL,
  is_default boolean NOT NULL,
  signing_secret text NOT NULL,
  create_time timestamptz NOT NULL,
  update_time timestamptz NOT NULL,
  -- The last route_seq drawn.
  last_seq bigint NOT NULL DEFAULT 0,
  -- When a pump may look at the head next: its next attempt, or the end of the lease under which it is
  -- being sent. Null: nothing is open.
  due_time timestamptz,
  PRIMARY KEY (tenant, route_id),
  CONSTRAINT routes_kind CHECK (kind = 1)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX routes_of_key ON routes (tenant, session_key, place);
CREATE INDEX routes_due ON routes (due_time) WHERE due_time IS NOT NULL;

CREATE TABLE deliveries (
  tenant text COLLATE "C" NOT NULL,
  delivery_id uuid NOT NULL,
  route_id uuid NOT NULL,
  -- From 1 on the route, in the order of commit.
  route_seq bigint NOT NULL,
  -- What the reply shows at session-identity.
  session_key text COLLATE "C" NOT NULL,
  session_id text NOT NULL,
  generation bigint NOT NULL,
  turn_id text COLLATE "C" NOT NULL,
  -- The enqueuing call: what dedupes it, what it said, who acted, and its label and trace.
  request_id text COLLATE "C" NOT NULL,
  fingerprint bytea NOT NULL,
  principal text NOT NULL,
  request_label text NOT NULL,
  trace_id text COLLATE "C" NOT NULL,
  traceparent text NOT NULL,
  -- OutboundPart messages as protobuf.
  parts bytea[] NOT NULL,
  state smallint NOT NULL,
  attempt_count integer NOT NULL DEFAULT 0,
  -- The replica of the last claim.
  replica text NOT NULL DEFAULT '',
  -- session-identity accepted a `sending` of it: from here on it is never suppressed.
  was_claimed boolean NOT NULL DEFAULT false,
  -- An attempt of it may have arrived, and nothing has told since.
  perhaps_sent boolean NOT NULL DEFAULT false,
  next_attempt_time timestamptz,
  last_error text NOT NULL DEFAULT '',
  provider_message_id text NOT NULL DEFAULT '',
  create_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  end_time timestamptz,
  PRIMARY KEY (tenant, delivery_id),
  CONSTRAINT deliveries_state CHECK (state BETWEEN 1 AND 6),
  CONSTRAINT deliveries_ended CHECK ((state BETWEEN 3 AND 6) = (end_time IS NOT NULL)),
  CONSTRAINT deliveries_pending_has_time CHECK (state <> 1 OR next_attempt_time IS NOT NULL),
  CONSTRAINT deliveries_suppressed_was_not_claimed CHECK (state <> 6 OR NOT was_claimed)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX deliveries_of_request ON deliveries (tenant, request_id);
-- The head of a route, and what waits behind it.
CREATE INDEX deliveries_open ON deliveries (tenant, route_id, route_seq) WHERE state IN (1, 2);
CREATE INDEX deliveries_of_key ON deliveries (tenant, session_key, delivery_id DESC);
CREATE INDEX deliveries_of_turn ON deliveries (tenant, turn_id, delivery_id DESC);
CREATE INDEX deliveries_of_route ON deliveries (tenant, route_id, delivery_id DESC);
CREATE INDEX deliveries_of_trace ON deliveries (tenant, trace_id, delivery_id DESC);
CREATE INDEX deliveries_of_state ON deliveries (tenant, state, delivery_id DESC);
CREATE INDEX deliveries_age ON deliveries (end_time) WHERE end_time IS NOT NULL;

CREATE TABLE attempts (
  tenant text COLLATE "C" NOT NULL,
  delivery_id uuid NOT NULL,
  -- From 1.
  attempt integer NOT NULL,
  replica text NOT NULL,
  start_time timestamptz NOT NULL,
  end_time timestamptz,
  outcome text NOT NULL DEFAULT 'open',
  error text NOT NULL DEFAULT '',
  provider_message_id text NOT NULL DEFAULT '',
  -- The ReplyState that session-identity has not been told yet.
  untold smallint,
  PRIMARY KEY (tenant, delivery_id, attempt),
  CONSTRAINT attempts_outcome CHECK (outcome IN
    ('open', 'sent', 'refused', 'failed', 'unknown', 'stale', 'expired', 'unavailable')),
  CONSTRAINT attempts_ended CHECK ((outcome = 'open') = (end_time IS NULL))
);
CREATE INDEX attempts_untold ON attempts (end_time) WHERE untold IS NOT NULL;
CREATE INDEX attempts_age ON attempts (start_time);
