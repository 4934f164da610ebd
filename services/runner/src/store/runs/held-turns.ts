/**
 * Locks the turns that the runs of `item` (tenant, turn_id, run_id) hold, in the order of their ids,
 * before any of them is changed. LockRows stands above the sort; sorting the items themselves would not
 * order the locks, and two replicas' batches could wait for each other.
 */
export const HELD_TURNS = `held AS MATERIALIZED (
  SELECT t.tenant, t.turn_id FROM turns t JOIN item i ON t.tenant = i.tenant AND t.turn_id = i.turn_id
  WHERE t.run_id = i.run_id
  ORDER BY t.tenant, t.turn_id
  FOR UPDATE OF t
)`;
