-- How far a session's messages stand in the transcript of the one that has absorbed it, too: a young session
-- of a key that was merged into another. 0: nowhere.
ALTER TABLE sessions ADD absorbed_seq bigint NOT NULL DEFAULT 0;
