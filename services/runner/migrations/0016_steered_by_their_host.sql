-- What was handed to a turn is found by that turn alone. Named as open too, it is also found in the index of open
-- turns, where the planner, while few are open, would look through all that wait in the lane.
DROP INDEX turns_steered;
CREATE INDEX turns_steered ON turns (tenant, into_turn_id) WHERE steer IS NOT NULL;
