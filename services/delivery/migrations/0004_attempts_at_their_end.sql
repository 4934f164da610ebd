-- An attempt is a row once it has ended; until then its delivery tells of it. So a claim writes one row
-- less, and so does the end. The release before goes on making its own rows at its claims.
ALTER TABLE deliveries
  -- When the last claim was made.
  ADD COLUMN claim_time timestamptz;
