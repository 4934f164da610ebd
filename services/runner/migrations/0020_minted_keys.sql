-- Keys that were minted for subagents, and when session-identity is asked next whether one is still there: once it
-- has gone, its lane goes too.
CREATE TABLE minted_keys (
  tenant text NOT NULL,
  session_key text NOT NULL,
  look_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, session_key)
);
CREATE INDEX minted_keys_due ON minted_keys (look_time);
