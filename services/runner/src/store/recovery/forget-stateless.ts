import { forgettingTurns, lastIdBefore } from "./past-turns.ts";
import { first, type Sql } from "../sql.ts";

/** Each tenant's in the order of their ids, so that only what is old is looked at. */
const FORGET = {
  name: "runner_forget_stateless_turns",
  text: forgettingTurns(
    `agent_sets a JOIN turns t ON t.tenant = a.tenant AND t.session_key IS NULL
      AND t.turn_id < ${lastIdBefore("$1")} WHERE true`,
    "$1",
    "$2",
  ),
};

/** Removes so many turns without a session that ended so long ago, with their runs. Gives how many. */
export async function forgetStateless(sql: Sql, keepMs: number, limit: number): Promise<number> {
  return (await first<{ readonly count: number }>(sql, FORGET, [keepMs, limit]))?.count ?? 0;
}
