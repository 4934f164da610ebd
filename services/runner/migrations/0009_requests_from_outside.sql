-- The turn of a request from outside that a nested turn comes of, through whatever sends and results; null:
-- the turn is such a request's itself.
ALTER TABLE turns ADD root_turn_id uuid;

-- Nested turns that have come of each.
CREATE TABLE nested_counts (
  tenant text NOT NULL,
  root_turn_id uuid NOT NULL,
  sent integer NOT NULL CHECK (sent > 0),
  -- Of the last of them.
  sent_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, root_turn_id)
);
CREATE INDEX nested_counts_age ON nested_counts (sent_time);
