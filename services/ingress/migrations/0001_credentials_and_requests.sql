-- Credentials of the outside. A key is 256 bits of chance, so its plain SHA-256 gives nothing away,
-- and is what a request is looked up by.
CREATE TABLE api_keys (
  -- What stands as the principal in turns, journal and logs.
  api_key_id text PRIMARY KEY CHECK (api_key_id ~ '^[!-~]{1,128}$'),
  tenant text NOT NULL CHECK (tenant <> ''),
  key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
  scopes text[] NOT NULL CHECK (scopes <@ ARRAY['chat', 'adapter', 'operator', 'admin']),
  -- Empty: all agents of the tenant.
  agents text[] NOT NULL DEFAULT '{}',
  -- Empty: the door's own rules decide.
  key_prefixes text[] NOT NULL DEFAULT '{}',
  -- For people.
  label text NOT NULL DEFAULT '',
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  expire_time timestamptz,
  revoke_time timestamptz
);

-- What came in over HTTP and what it was told. Written in batches, off the path of the request.
CREATE TABLE requests (
  entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Requests without a known credential belong to nobody and are not kept.
  tenant text NOT NULL CHECK (tenant <> ''),
  request_id text NOT NULL,
  trace_id text NOT NULL,
  principal text NOT NULL,
  route text NOT NULL,
  raw_key text NOT NULL,
  session_key text NOT NULL,
  turn_id text NOT NULL,
  disposition text NOT NULL,
  status smallint NOT NULL,
  reason text NOT NULL,
  error_message text NOT NULL,
  create_time timestamptz NOT NULL,
  end_time timestamptz NOT NULL
);

CREATE INDEX requests_newest ON requests (tenant, entry_id);
CREATE INDEX requests_by_request_id ON requests (tenant, request_id, entry_id);
CREATE INDEX requests_by_trace_id ON requests (tenant, trace_id, entry_id) WHERE trace_id <> '';
CREATE INDEX requests_by_turn_id ON requests (tenant, turn_id, entry_id) WHERE turn_id <> '';
-- Retention deletes from the old end.
CREATE INDEX requests_by_end_time ON requests (end_time);
