-- Conversations to which their platform has given another id: a group of Telegram that has become a supergroup, a
-- channel of Slack that is shared with another organization. Their routes get the new one.

-- What is known of an id. Of a move both ids have a row; the id that stands is its own current one.
CREATE TABLE moved_addresses (
  tenant text COLLATE "C" NOT NULL,
  kind smallint NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  address text COLLATE "C" NOT NULL,
  current_address text COLLATE "C" NOT NULL,
  -- Since when that is so, as the platform tells it.
  change_time timestamptz NOT NULL,
  -- When it was told last.
  update_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, kind, account_id, address),
  CONSTRAINT moved_addresses_kind CHECK (kind IN (2, 3))
);
CREATE INDEX moved_addresses_to ON moved_addresses (tenant, kind, account_id, current_address);
CREATE INDEX moved_addresses_age ON moved_addresses (update_time);

-- All routes of an account to a conversation, whatever their session and thread, in the order in which they are moved.
CREATE INDEX routes_of_conversation ON routes (tenant, kind, account_id, address, route_id) WHERE kind IN (2, 3);
DROP INDEX routes_of_telegram_chat;
