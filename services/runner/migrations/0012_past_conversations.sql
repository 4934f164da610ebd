-- When a session became known here. The one that follows a session under its key ended it at the latest
-- then. Those of before this migration are as old as it.
ALTER TABLE sessions ADD seen_time timestamptz NOT NULL DEFAULT now();

-- Who reads a session's history as the part before its own.
CREATE INDEX sessions_of_parent ON sessions (tenant, parent_session_id) WHERE parent_session_id <> '';
