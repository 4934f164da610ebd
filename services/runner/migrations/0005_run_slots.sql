-- Turns of the tenant that run at once, over all agents; 0: no bound.
ALTER TABLE agent_sets ADD max_concurrent_runs integer NOT NULL DEFAULT 0;

-- What replicas hold of a bound on concurrent runs. A row counts while its lease lives, and is written
-- by its replica alone.
CREATE TABLE run_slots (
  tenant text NOT NULL,
  -- An agent id; empty: the tenant.
  scope text NOT NULL,
  replica text NOT NULL,
  -- Runs under way.
  slots integer NOT NULL CHECK (slots >= 0),
  -- Runs that gave their slot back while they waited, and want it again before any new run.
  reclaims integer NOT NULL CHECK (reclaims >= 0),
  expire_time timestamptz NOT NULL,
  PRIMARY KEY (tenant, scope, replica)
);

-- Locked by whoever takes a slot, so that two replicas never both take the last.
CREATE TABLE run_scopes (
  tenant text NOT NULL,
  scope text NOT NULL,
  PRIMARY KEY (tenant, scope)
);
