-- Turns that a turn sent into other sessions and whose outcome it is to hear of: as the result of its
-- tool while it waits, else as a turn of its own session.
CREATE TABLE child_turns (
  tenant text NOT NULL,
  child_turn_id uuid NOT NULL,
  parent_turn_id uuid NOT NULL,
  parent_session_key text NOT NULL,
  principal text NOT NULL,
  -- A reply goes out through delivery; only an outcome without one is told without it.
  is_routed boolean NOT NULL,
  -- The parent waits. Whoever changes `told` holds the lock of the parent's lane.
  is_awaited boolean NOT NULL,
  -- Null: open. 1: the result of the parent's tool. 2: the turn `told_turn_id`.
  told smallint CHECK (told BETWEEN 1 AND 2),
  told_turn_id uuid,
  -- Nothing is left to be done about it.
  is_settled boolean NOT NULL DEFAULT false,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, child_turn_id)
);
CREATE INDEX child_turns_unsettled ON child_turns (tenant, child_turn_id) WHERE NOT is_settled;
CREATE INDEX child_turns_age ON child_turns (create_time);

-- The turn whose outcome this one tells its session of: never dropped, whatever the lane's bound.
ALTER TABLE turns ADD child_turn_id uuid;
