-- Attachments to a turn, over all replicas, from the first that asked that its leaving cancel the turn; null:
-- none has asked, and nobody counts.
ALTER TABLE turns ADD attached integer;
