import { CHILD_COLUMNS, ENDED_OTHERWISE, type StoredChildTurn } from "./child-turns.ts";
import { rows, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

const ENDED_UNSETTLED = `FROM child_turns c
JOIN turns t ON t.tenant = c.tenant AND t.turn_id = c.child_turn_id
WHERE NOT c.is_settled AND t.end_time IS NOT NULL`;

/** An agent that is left out answers no new turns. Its sessions hear of what they sent once it is back. */
const HAS_AGENT = `EXISTS (SELECT FROM agents a WHERE a.tenant = c.tenant AND a.is_listed
  AND a.agent_id = split_part(c.parent_session_key, ':', 2))`;

const NOBODY_WAITS = `(NOT c.is_awaited OR EXISTS (SELECT FROM turns p WHERE p.tenant = c.tenant
  AND p.turn_id = c.parent_turn_id AND p.end_time IS NOT NULL))`;

const DUE = {
  name: "runner_due_child_turns",
  text: `
SELECT ${CHILD_COLUMNS}, t.traceparent ${ENDED_UNSETTLED} AND ${HAS_AGENT} AND (
  c.told = 1 AND ${ENDED_OTHERWISE}
  OR c.told IS NULL AND ${NOBODY_WAITS}
    AND (NOT c.is_routed OR NOT ${stateIn("t.state", "COMPLETED")}
         OR EXISTS (SELECT FROM outbox o WHERE o.tenant = c.tenant AND o.turn_id = c.child_turn_id
                    AND o.refusal IS NOT NULL)))
ORDER BY t.end_time LIMIT $1`,
};

/** A turn whose outcome is to be told, in its own trace. */
export interface DueChild extends StoredChildTurn {
  readonly traceparent: string;
}

/** Ended, nobody waits for them, and no reply of theirs is on its way through delivery. */
export function dueChildTurns(sql: Sql, limit: number): Promise<DueChild[]> {
  return rows(sql, DUE, [limit]);
}

/** In any order: some of them may wait for long, and are not to keep the others from being looked at. */
const HANDED_OVER = {
  name: "runner_handed_over_child_turns",
  text: `
SELECT ${CHILD_COLUMNS}, t.route_id AS "routeId", t.traceparent ${ENDED_UNSETTLED} AND ${HAS_AGENT}
  AND c.told IS NULL AND ${NOBODY_WAITS} AND c.is_routed AND ${stateIn("t.state", "COMPLETED")}
  AND t.end_time < clock_timestamp() - $1 * interval '1 ms'
  AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant = c.tenant AND o.turn_id = c.child_turn_id)
ORDER BY random() LIMIT $2`,
};

/** A turn whose reply delivery has taken, and whose parent has not heard of it. */
export interface HandedOver extends DueChild {
  readonly routeId: string;
}

/** Of those that ended more than so many ms ago. */
export function handedOverChildTurns(
  sql: Sql,
  endedBeforeMs: number,
  limit: number,
): Promise<HandedOver[]> {
  return rows(sql, HANDED_OVER, [endedBeforeMs, limit]);
}
