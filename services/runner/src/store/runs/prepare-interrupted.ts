import { type EndingOfRun, prepareAll, type PrepareResult } from "./prepare.ts";
import { first, type RunnerDatabase } from "../sql.ts";
import { stopOf } from "../turn-row.ts";

const LOCK_STOP = {
  name: "runner_lock_stop",
  text: `
SELECT stop FROM turns WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 FOR NO KEY UPDATE`,
};

/**
 * Stores the ending of a turn that was interrupted. Its run has known that for a while: who asked meanwhile
 * that the turn be rolled back is heard until the ending is stored.
 */
export function prepareInterrupted(db: RunnerDatabase, one: EndingOfRun): Promise<PrepareResult> {
  const { tenant, turnId, runId } = one.held;
  return db.transaction(async (sql) => {
    const row = await first<{ stop: number | null }>(sql, LOCK_STOP, [tenant, turnId, runId]);
    const isRolledBack = stopOf(row?.stop ?? null) === "rolled_back";
    const ending = isRolledBack ? { ...one.ending, keepsInput: false } : one.ending;
    const [result] = await prepareAll(sql, [{ ...one, ending }]);
    return result ?? { kind: "lost" };
  });
}
