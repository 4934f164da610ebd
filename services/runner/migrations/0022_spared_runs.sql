-- Runs that a replica gave back because it was shut down. They count for nothing against their turn, which fails
-- after some that came to nothing otherwise: a new release that goes over several replicas loses no turn.
ALTER TABLE turns ADD COLUMN spared_runs integer NOT NULL DEFAULT 0;
