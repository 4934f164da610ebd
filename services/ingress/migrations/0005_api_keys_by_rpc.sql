-- Keys that are made, rotated and revoked by RPC.
ALTER TABLE api_keys
  -- The order of listing.
  ADD COLUMN key_number bigint GENERATED ALWAYS AS IDENTITY,
  -- The text before the last rotation, valid until then.
  ADD COLUMN previous_key_hash bytea CHECK (octet_length(previous_key_hash) = 32),
  ADD COLUMN previous_expire_time timestamptz,
  ADD COLUMN rotate_time timestamptz,
  -- To about a minute.
  ADD COLUMN last_use_time timestamptz,
  -- The key that made it; empty for the first credential.
  ADD COLUMN create_principal text NOT NULL DEFAULT '',
  -- What a repeat of the call that made it shows, and what its content was.
  ADD COLUMN create_request_id text,
  ADD COLUMN create_fingerprint bytea,
  ADD COLUMN rotate_request_id text,
  -- NULL: as the tenant's settings say.
  ADD COLUMN requests_per_minute integer CHECK (requests_per_minute BETWEEN 1 AND 1000000),
  ADD COLUMN burst integer CHECK (burst BETWEEN 1 AND 1000000);

CREATE UNIQUE INDEX api_keys_by_number ON api_keys (tenant, key_number);
CREATE UNIQUE INDEX api_keys_by_previous_hash ON api_keys (previous_key_hash)
  WHERE previous_key_hash IS NOT NULL;
CREATE UNIQUE INDEX api_keys_by_request ON api_keys (tenant, create_principal, create_request_id)
  WHERE create_request_id IS NOT NULL;

-- NULL: none.
ALTER TABLE tenant_settings
  ADD COLUMN requests_per_minute integer CHECK (requests_per_minute BETWEEN 1 AND 1000000),
  ADD COLUMN burst integer CHECK (burst BETWEEN 1 AND 1000000),
  ADD COLUMN key_requests_per_minute integer CHECK (key_requests_per_minute BETWEEN 1 AND 1000000),
  ADD COLUMN key_burst integer CHECK (key_burst BETWEEN 1 AND 1000000);
