-- A claim and an end of a reply change no index: both are changes in place (HOT), which cost Postgres a
-- fraction of what they did, and leave nothing in the indexes for a vacuum to find.

-- The head of a route is looked for from here on: no open delivery of it has a lower route_seq.
ALTER TABLE routes ADD COLUMN head_seq bigint NOT NULL DEFAULT 0;

ALTER TABLE deliveries
  -- When the last claim was made. An attempt has a row of its own once it has ended.
  ADD COLUMN claim_time timestamptz,
  -- The state of those that ended without having arrived for certain; a reply that is sent never has one.
  ADD COLUMN failed_state smallint GENERATED ALWAYS AS (CASE WHEN state IN (4, 5, 6) THEN state END) STORED;

DROP INDEX deliveries_open, deliveries_of_state, deliveries_dead, deliveries_age;
CREATE INDEX deliveries_in_order ON deliveries (tenant, route_id, route_seq);
CREATE INDEX deliveries_failed ON deliveries (tenant, failed_state, delivery_id DESC)
  WHERE failed_state IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (tenant, delivery_id DESC)
  WHERE failed_state IN (4, 5) AND dismiss_time IS NULL;
-- Rows stand in the order of their time. Such an index says so in a few pages, and changes in place may
-- change what it tells of (Postgres 16 and later).
CREATE INDEX deliveries_age ON deliveries USING brin (end_time) WITH (autosummarize = on);
DROP INDEX attempts_age;
CREATE INDEX attempts_age ON attempts USING brin (start_time) WITH (autosummarize = on);

-- A redriven dead letter stands before what its route has been told to look from. By a trigger, since the
-- release before this one redrives too, and knows of no head_seq.
CREATE FUNCTION lower_head_seq() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE routes SET head_seq = least(head_seq, NEW.route_seq)
  WHERE tenant = NEW.tenant AND route_id = NEW.route_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER deliveries_lower_head AFTER UPDATE OF state ON deliveries
  FOR EACH ROW WHEN (OLD.state > 2 AND NEW.state = 1) EXECUTE FUNCTION lower_head_seq();
