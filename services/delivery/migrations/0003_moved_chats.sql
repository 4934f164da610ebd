-- Groups of Telegram that have become supergroups: their routes get the new chat's id.

ALTER TABLE attempts DROP CONSTRAINT attempts_outcome;
ALTER TABLE attempts ADD CONSTRAINT attempts_outcome CHECK (outcome IN
  ('open', 'accepted', 'sent', 'refused', 'failed', 'unknown', 'held', 'stale', 'expired',
   'unavailable', 'paced', 'moved'));

-- All routes to a chat of a bot, whatever their session and topic.
CREATE INDEX routes_of_telegram_chat ON routes (tenant, account_id, address) WHERE kind = 3;
