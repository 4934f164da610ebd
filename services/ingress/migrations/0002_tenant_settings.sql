-- How a tenant's requests are taken; without a row: as the columns' defaults say.
CREATE TABLE tenant_settings (
  tenant text PRIMARY KEY CHECK (tenant <> ''),
  -- Grows by 1 when something changed.
  version bigint NOT NULL CHECK (version > 0),
  -- What may name a session where the request does not; in the order in which they are looked at.
  session_sources text[] NOT NULL DEFAULT '{}' CHECK (
    session_sources <@ ARRAY['x-openwebui-chat-id', 'x-conversation-id', 'prompt_cache_key', 'user']
  ),
  -- Requests that lead to no session are refused.
  requires_session boolean NOT NULL DEFAULT false,
  apply_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
