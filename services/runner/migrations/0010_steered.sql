-- Messages that were handed to a turn are found by it, however many turns wait in its lane: each turn's end
-- looks for them.
CREATE INDEX turns_steered ON turns (tenant, into_turn_id) WHERE state = 1 AND steer IS NOT NULL;
