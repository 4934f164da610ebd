import type { Items } from "../batch-statement.ts";

/** Parts of a statement that changes turns `t` which the runs of `item` (tenant, turn_id, run_id) hold. */
interface HeldTurns {
  /** CTEs that come before the change. */
  readonly locks: readonly string[];
  /** What it goes by, `i`. */
  readonly from: string;
}

/**
 * Locks the turns in the order of their ids before any of them is changed. LockRows stands above the sort; sorting
 * the items themselves would not order the locks, and two replicas' batches could wait for each other. A
 * single turn is locked by its change.
 */
export function heldTurns({ isOne }: Items): HeldTurns {
  if (isOne) return { locks: [], from: "item i" };
  const held = `held AS MATERIALIZED (
  SELECT t.tenant, t.turn_id FROM turns t JOIN item i ON t.tenant = i.tenant AND t.turn_id = i.turn_id
  WHERE t.run_id = i.run_id
  ORDER BY t.tenant, t.turn_id
  FOR UPDATE OF t
)`;
  return { locks: [held], from: "item i JOIN held USING (tenant, turn_id)" };
}
