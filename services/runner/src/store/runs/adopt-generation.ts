import type { Held } from "../lanes/claim-head.ts";
import { first, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

/** The turn goes on in the generation that its own run made; what it required of one goes with it. */
const ADOPT = {
  name: "runner_adopt_generation",
  text: `
WITH turn AS (
  UPDATE turns SET session_id = $4, generation = $5::bigint,
    required_generation = CASE WHEN required_generation = 0 THEN 0 ELSE $5::bigint END
  WHERE tenant = $1 AND turn_id = $2 AND run_id = $3 AND ${stateIn("state", "ACTIVE")}
  RETURNING tenant
)
UPDATE runs r SET session_id = $4, generation = $5::bigint FROM turn
WHERE r.tenant = $1 AND r.turn_id = $2 AND r.run_id = $3
RETURNING r.run_id`,
};

/** False: the run holds the turn no more. */
export async function adoptGeneration(
  sql: Sql,
  { tenant, turnId, runId }: Pick<Held, "tenant" | "turnId" | "runId">,
  session: { readonly sessionId: string; readonly generation: bigint },
): Promise<boolean> {
  const params = [tenant, turnId, runId, session.sessionId, session.generation];
  return (await first(sql, ADOPT, params)) !== undefined;
}
