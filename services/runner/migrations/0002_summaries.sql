-- What a run stored in place of older history, before it made the generation that begins with it. It
-- counts only in a generation that this very run made.
CREATE TABLE summaries (
  tenant text NOT NULL,
  session_key text NOT NULL,
  generation bigint NOT NULL,
  run_id uuid NOT NULL,
  body text NOT NULL,
  -- The predecessor: what was said there after this place is shown verbatim behind the summary.
  covers_session_id text NOT NULL,
  covers_through_seq bigint NOT NULL,
  create_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, session_key, generation, run_id)
);

-- The run that made the session by compaction; null: it came otherwise.
ALTER TABLE sessions ADD compacted_by_run_id uuid;
