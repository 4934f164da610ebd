-- More channels, messages of several pieces, what becomes of a route whose reply does not get through,
-- dead letters that are acted upon, and the history of routes. All of it has defaults that mean what the
-- release before did, so that both may run side by side.

ALTER TABLE routes DROP CONSTRAINT routes_kind;
ALTER TABLE routes
  -- What becomes of those behind a dead letter (OnFailure), and of what perhaps arrived (OnUnknown).
  ADD COLUMN on_failure smallint NOT NULL DEFAULT 2,
  ADD COLUMN on_unknown smallint NOT NULL DEFAULT 1,
  -- The dead letter that holds the route; due_time is null then.
  ADD COLUMN blocked_by uuid,
  -- Dead letters that the next reply has to tell of.
  ADD COLUMN gap_count integer NOT NULL DEFAULT 0,
  -- The secret before the last rotation, which signs too until its end, and that rotation's request.
  ADD COLUMN old_secret text NOT NULL DEFAULT '',
  ADD COLUMN old_secret_end timestamptz,
  ADD COLUMN rotation_id text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN change_number integer NOT NULL DEFAULT 0,
  ADD CONSTRAINT routes_kind CHECK (kind BETWEEN 1 AND 4),
  ADD CONSTRAINT routes_on_failure CHECK (on_failure BETWEEN 1 AND 2),
  ADD CONSTRAINT routes_on_unknown CHECK (on_unknown BETWEEN 1 AND 2);
CREATE INDEX routes_blocked ON routes (tenant, route_id) WHERE blocked_by IS NOT NULL;

-- How a route stood after each change.
CREATE TABLE route_changes (
  tenant text COLLATE "C" NOT NULL,
  route_id uuid NOT NULL,
  -- From 1.
  change_number integer NOT NULL,
  source text NOT NULL,
  is_default boolean NOT NULL,
  on_failure smallint NOT NULL,
  on_unknown smallint NOT NULL,
  blocked_by uuid,
  principal text NOT NULL,
  note text NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, route_id, change_number)
);

ALTER TABLE deliveries
  -- A reply goes out in pieces, messages of the channel, one an attempt.
  ADD COLUMN piece_count integer NOT NULL DEFAULT 0,
  ADD COLUMN accepted_pieces integer NOT NULL DEFAULT 0,
  -- The next piece may have arrived: an attempt of it was unknown.
  ADD COLUMN is_doubtful boolean NOT NULL DEFAULT false,
  -- What the channel calls the next piece before it is sent, such as an uploaded file's id.
  ADD COLUMN piece_handle text NOT NULL DEFAULT '',
  -- In a row, for the backoff.
  ADD COLUMN failure_count integer NOT NULL DEFAULT 0,
  -- Fixed at the first claim, so that the text is the same at each attempt.
  ADD COLUMN gap_before integer,
  -- Somebody has decided that it is to be sent though it may have arrived.
  ADD COLUMN may_resend boolean NOT NULL DEFAULT false,
  -- The id that it shows at session-identity, where a redrive has given it another generation.
  ADD COLUMN fence_id uuid,
  ADD COLUMN redrive_id text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN dismiss_time timestamptz;
CREATE INDEX deliveries_dead ON deliveries (tenant, delivery_id DESC)
  WHERE state IN (4, 5) AND dismiss_time IS NULL;

ALTER TABLE attempts DROP CONSTRAINT attempts_outcome;
ALTER TABLE attempts ADD CONSTRAINT attempts_outcome CHECK (outcome IN
  ('open', 'accepted', 'sent', 'refused', 'failed', 'unknown', 'held', 'stale', 'expired',
   'unavailable', 'paced'));

-- What somebody did about a dead letter.
CREATE TABLE dead_letter_acts (
  tenant text COLLATE "C" NOT NULL,
  delivery_id uuid NOT NULL,
  -- From 1.
  act_number integer NOT NULL,
  kind smallint NOT NULL,
  principal text NOT NULL,
  note text NOT NULL,
  previous_state smallint NOT NULL,
  previous_generation bigint NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, delivery_id, act_number),
  CONSTRAINT dead_letter_acts_kind CHECK (kind BETWEEN 1 AND 2)
);
CREATE INDEX dead_letter_acts_age ON dead_letter_acts (create_time);

-- By which accounts replies go out. The token itself stands in delivery's environment.
CREATE TABLE channel_accounts (
  tenant text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  token_env text NOT NULL,
  PRIMARY KEY (tenant, kind, account_id)
);

-- When the next message to a place may be sent, where the channel bounds their rate: one row for a
-- chat, whatever number of routes and replicas send there.
CREATE TABLE paces (
  tenant text COLLATE "C" NOT NULL,
  -- SHA-256 of kind, account and address.
  place bytea NOT NULL,
  next_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, place)
);
CREATE INDEX paces_age ON paces (next_time);
