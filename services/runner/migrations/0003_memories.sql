-- What agents keep beyond their conversations. A row is part of its turn: seen by others once the end of
-- the turn is committed, and by nobody where the turn was rolled back or rotated away.
CREATE TABLE memories (
  tenant text NOT NULL,
  agent_id text NOT NULL,
  -- The turn and its tool step: the same write again, by whatever run, is one row.
  turn_id uuid NOT NULL,
  step integer NOT NULL,
  session_key text NOT NULL,
  body text NOT NULL,
  is_pinned boolean NOT NULL,
  create_time timestamptz NOT NULL,
  -- Without stemming: memories come in any language.
  words tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED,
  PRIMARY KEY (tenant, turn_id, step)
);
CREATE INDEX memories_words ON memories USING gin (words);
CREATE INDEX memories_pinned ON memories (tenant, agent_id, create_time DESC) WHERE is_pinned;
CREATE INDEX memories_of_agent ON memories (tenant, agent_id, create_time DESC);
