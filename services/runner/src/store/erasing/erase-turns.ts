import { LIMITS } from "../../limits.ts";
import { rows, type RunnerDatabase, type Sql } from "../sql.ts";
import { isSteered } from "../state-in.ts";
import { type ErasedPlace, placeParams, TURNS_OF_PLACE } from "./erased-key.ts";

/** Another conversation is to hear of its outcome, and has not. */
const IS_TOLD_ELSEWHERE = `EXISTS (SELECT FROM child_turns c
  WHERE c.tenant = t.tenant AND c.child_turn_id = t.turn_id AND NOT c.is_settled
    AND c.parent_session_key <> ALL ($4::text[]))`;

/**
 * Not before somebody who follows the turn elsewhere has seen its end. A reply that delivery does not have is
 * handed over first, and suppressed there; and messages that were handed to the turn are turns again, or ended.
 */
const ENDED = {
  name: "runner_erasable_turns",
  text: `
SELECT t.turn_id AS "turnId" FROM turns t
WHERE ${TURNS_OF_PLACE} AND t.end_time < clock_timestamp() - ${LIMITS.erasedTurnRestMs} * interval '1 ms'
  AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant = $1 AND o.session_key = $2
    AND o.refusal IS NULL AND o.turn_id = t.turn_id)
  AND NOT EXISTS (SELECT FROM turns s
    WHERE s.tenant = $1 AND s.into_turn_id = t.turn_id AND ${isSteered("s")})
  AND ($5 OR NOT ${IS_TOLD_ELSEWHERE})
ORDER BY t.turn_id LIMIT $6`,
};

/** Which turns that have ended wait for nothing. */
export interface Erasable {
  /** Of the same erasure. */
  readonly keys: readonly string[];
  /** Also those of which another conversation has not heard: it is told no more. */
  readonly isUrgent: boolean;
  readonly limit: number;
}

export async function erasableTurns(
  sql: Sql,
  place: ErasedPlace,
  { keys, isUrgent, limit }: Erasable,
): Promise<string[]> {
  const params = [...placeParams(place), keys, isUrgent, limit];
  const found = await rows<{ readonly turnId: string }>(sql, ENDED, params);
  return found.map(({ turnId }) => turnId);
}

const HIDE = {
  name: "runner_hide_in_call_chains",
  text: `
WITH RECURSIVE below AS (
  SELECT k.tenant, k.turn_id FROM turns k WHERE k.tenant = $1 AND k.parent_turn_id = ANY ($2::uuid[])
  UNION
  SELECT k.tenant, k.turn_id FROM below JOIN turns k
    ON k.tenant = below.tenant AND k.parent_turn_id = below.turn_id
)
UPDATE turns t SET call_chain = array_replace(t.call_chain, $3::text, '') FROM below
WHERE t.tenant = below.tenant AND t.turn_id = below.turn_id AND $3 = ANY (t.call_chain)`,
};

/**
 * What these turns sent on, and what came of that, was said in conversations of their own, and stays there. It
 * names the key no more, and is as far down its chain as before.
 */
export async function hideInCallChains(
  sql: Sql,
  { tenant, sessionKey }: ErasedPlace,
  turnIds: readonly string[],
): Promise<void> {
  await sql.query(HIDE, [tenant, turnIds, sessionKey]);
}

/** What two replicas remove at once, one of them gets. */
const LOCK = {
  name: "runner_lock_erased_turns",
  text: `
SELECT turn_id AS "turnId" FROM turns
WHERE tenant = $1 AND turn_id = ANY ($2::uuid[]) AND end_time IS NOT NULL
ORDER BY turn_id FOR UPDATE SKIP LOCKED`,
};

/** Of what they are to hear, and of what was to be heard of them; in one order, since others remove some of these. */
const FORGET_OUTCOMES = {
  name: "runner_erase_outcomes",
  text: `
WITH notes AS MATERIALIZED (
  SELECT tenant, child_turn_id FROM child_turns
  WHERE tenant = $1 AND child_turn_id IN (
    SELECT unnest($2::uuid[])
    UNION SELECT k.turn_id FROM turns k WHERE k.tenant = $1 AND k.parent_turn_id = ANY ($2::uuid[]))
  ORDER BY tenant, child_turn_id FOR UPDATE
)
DELETE FROM child_turns c USING notes n WHERE c.tenant = n.tenant AND c.child_turn_id = n.child_turn_id`,
};

/**
 * A request stays known for its day. One without a key of its client's is known by what it says only where the
 * caller was cut off, and may come again.
 */
const FORGET_ANSWERED = {
  name: "runner_erase_answered_requests",
  text: `
UPDATE idempotency i SET is_generated = false FROM turns t
WHERE t.tenant = $1 AND t.turn_id = ANY ($2::uuid[]) AND NOT t.caller_gone
  AND i.tenant = t.tenant AND i.principal = t.principal AND i.key = t.idempotency_key AND i.is_generated`,
};

const goingWith = (name: string, table: string, column = "turn_id") => ({
  name: `runner_erase_${name}`,
  text: `DELETE FROM ${table} WHERE tenant = $1 AND ${column} = ANY ($2::uuid[])`,
});

/** A statement each, by the ids alone: joined, they would be planned for a turn or two. The turns themselves last. */
const ERASE = [
  FORGET_OUTCOMES,
  FORGET_ANSWERED,
  goingWith("memories", "memories"),
  goingWith("runs", "runs"),
  goingWith("steps", "tool_steps"),
  goingWith("events", "turn_events"),
  goingWith("nested_counts", "nested_counts", "root_turn_id"),
  goingWith("turns", "turns"),
];

const FORGET_REFUSED = {
  name: "runner_erase_refused",
  text: `
DELETE FROM outbox WHERE tenant = $1 AND session_key = $3 AND turn_id = ANY ($2::uuid[])
  AND refusal IS NOT NULL`,
};

/** Removes turns that have ended, with all that goes by them. Gives how many. */
export function eraseTurns(
  db: RunnerDatabase,
  { tenant, sessionKey }: ErasedPlace,
  turnIds: readonly string[],
): Promise<number> {
  return db.transaction(async (sql: Sql) => {
    const locked = await rows<{ readonly turnId: string }>(sql, LOCK, [tenant, turnIds]);
    const ids = locked.map(({ turnId }) => turnId);
    if (ids.length === 0) return 0;
    await sql.query(FORGET_REFUSED, [tenant, ids, sessionKey]);
    for (const statement of ERASE) await sql.query(statement, [tenant, ids]);
    return ids.length;
  });
}

const OPEN = {
  name: "runner_open_erased_turns",
  text: `
SELECT t.turn_id AS "turnId" FROM turns t WHERE ${TURNS_OF_PLACE} AND t.end_time IS NULL
ORDER BY t.lane_seq LIMIT $4`,
};

/** Those that have not ended. */
export async function openErasedTurns(
  sql: Sql,
  place: ErasedPlace,
  limit: number,
): Promise<string[]> {
  const found = await rows<{ readonly turnId: string }>(sql, OPEN, [...placeParams(place), limit]);
  return found.map(({ turnId }) => turnId);
}
