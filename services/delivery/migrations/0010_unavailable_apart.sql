-- Attempts that came to nothing because session-identity was away are counted apart: how long a receiver is
-- left in peace says how often it has failed itself.
ALTER TABLE deliveries ADD COLUMN unavailable_count integer NOT NULL DEFAULT 0;
