import { first, type Sql } from "../sql.ts";

/** Who attaches to a turn. */
export interface Attaching {
  readonly tenant: string;
  readonly turnId: string;
  /** Its leaving is to cancel the turn. */
  readonly asksToCancel: boolean;
  /** It is the turn's own caller, which has come back if it had left. */
  readonly isCaller: boolean;
}

const ATTACH = {
  name: "runner_attach",
  text: `
UPDATE turns SET caller_gone = caller_gone AND NOT $4,
  attached = CASE WHEN $3 THEN coalesce(attached, 0) + 1 ELSE attached + 1 END
WHERE tenant = $1 AND turn_id = $2 AND ($3 OR attached IS NOT NULL OR (caller_gone AND $4))
RETURNING attached IS NOT NULL AS "isCounted"`,
};

/** True: it is counted with those of all replicas, and `detach` is to tell of its leaving. */
export async function attach(sql: Sql, one: Attaching): Promise<boolean> {
  const { tenant, turnId, asksToCancel, isCaller } = one;
  const params = [tenant, turnId, asksToCancel, isCaller];
  return (await first<{ isCounted: boolean }>(sql, ATTACH, params))?.isCounted ?? false;
}

const DETACH = {
  name: "runner_detach",
  text: `
UPDATE turns SET attached = attached - 1 WHERE tenant = $1 AND turn_id = $2 AND attached > 0
RETURNING attached`,
};

/** One that was counted has left. Gives how many of those that were are left, at whatever replica. */
export async function detach(sql: Sql, tenant: string, turnId: string): Promise<number> {
  return (await first<{ attached: number }>(sql, DETACH, [tenant, turnId]))?.attached ?? 0;
}
