-- Sessions of other keys that were merged into this one while they were young, oldest merge first: what was said
-- there belongs to the transcript here. An array of {sessionId, intoSessionId}; null: none.
alter table session_keys add column absorbed jsonb;
