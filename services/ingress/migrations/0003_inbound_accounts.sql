-- Whose events are taken at /channels/<kind>/<account>. Secrets stand in ingress's environment; the rows
-- name the variables. Several tenants may have an account of one name: whose secret verifies an event
-- says whose it is, so no tenant learns of another's.
CREATE TABLE inbound_accounts (
  tenant text COLLATE "C" NOT NULL CHECK (tenant <> ''),
  -- ChannelKind.
  kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
  account_id text COLLATE "C" NOT NULL CHECK (account_id ~ '^[A-Za-z0-9_.-]{1,64}$'),
  agent_id text NOT NULL,
  secret_env text NOT NULL,
  token_env text NOT NULL,
  is_polled boolean NOT NULL,
  -- WebhookRules as protobuf's JSON; null: none.
  webhook jsonb,
  -- Of two whose secrets are the same, the one that was there first.
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (kind, account_id, tenant)
);
CREATE INDEX inbound_accounts_of_tenant ON inbound_accounts (tenant);

-- Which replica asks a platform for an account's events: two at once would be refused by it.
CREATE TABLE channel_pollers (
  tenant text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  -- Minted by each process at its start.
  holder text NOT NULL,
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (kind, account_id, tenant)
);
