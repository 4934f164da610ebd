-- After which step of its host's tools a message that was handed to the turn was read: a run that takes the turn
-- over shows it there, before what was done about it. Null: not read yet, or by the release before.
ALTER TABLE turns ADD COLUMN steered_after_step integer;
