-- As many nested turns as may come of the request, by the agent that it was made to; null: as many as the
-- release before this one allows.
ALTER TABLE nested_counts ADD allowed integer CHECK (allowed > 0);
