-- How many posts may come by an account; NULL: as many as the tenant's settings say.
ALTER TABLE inbound_accounts
  ADD COLUMN requests_per_minute integer CHECK (requests_per_minute BETWEEN 1 AND 1000000),
  ADD COLUMN burst integer CHECK (burst BETWEEN 1 AND 1000000);
