-- Since when a turn's caller is gone: whoever asks the same anew after that retries something later. Null: not gone, or
-- noted by the release before.
ALTER TABLE turns ADD COLUMN caller_gone_time timestamptz;
