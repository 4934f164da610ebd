-- What signs beside a route's secret and the one before it (old_secret): those of earlier rotations whose time is
-- not over, as [{"secret": "whsec_…", "end": "…"}], the newest first.

ALTER TABLE routes ADD COLUMN older_secrets jsonb NOT NULL DEFAULT '[]';
