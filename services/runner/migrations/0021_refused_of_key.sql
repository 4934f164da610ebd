-- Replies that delivery refused are found by their conversation, which may be erased before they go by themselves.
-- Hardly any reply is refused, and none is until it is: turns write nothing here.
CREATE INDEX outbox_refused ON outbox (tenant, session_key) WHERE refusal IS NOT NULL;
