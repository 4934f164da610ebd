-- Routes of keys that were minted for subagents: when session-identity is asked next whether the key is still there.
-- Once it has gone, its routes go too. Null: a route of any other key.

ALTER TABLE routes ADD COLUMN look_time timestamptz;
CREATE INDEX routes_to_look_at ON routes (look_time) WHERE look_time IS NOT NULL;
