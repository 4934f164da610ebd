-- The head of a lane in which many turns wait is found without looking at all of them: what may go
-- before the oldest person's turn, which turns_open finds, stands in an index of its own.
CREATE INDEX turns_waiting_front ON turns (tenant, session_key, lane_seq) WHERE state = 1 AND front;
CREATE INDEX turns_waiting_system ON turns (tenant, session_key, lane_seq)
  WHERE state = 1 AND NOT front AND turn_class <> 1;
