import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { type Column, layEndToEnd, type Slice } from "@lanekeeper/postgres";
import { LIMITS } from "../../limits.ts";
import { messagesBytes, originBytes } from "../codec.ts";
import { batchStatement } from "../batch-statement.ts";
import type { LaneAdmission } from "./new-turn.ts";
import { outboxIsFull } from "../outbox/outbox-bounds.ts";
import type { Sql } from "../sql.ts";
import { isWaiting } from "../state-in.ts";

/** With where its lists stand in those of all items. */
interface Item extends LaneAdmission {
  readonly seed: Slice;
  readonly input: Slice;
  readonly chain: Slice;
}

const COLUMNS: readonly Column<Item>[] = [
  { name: "tenant", type: "text", of: ({ turn }) => turn.tenant },
  { name: "session_key", type: "text", of: ({ turn }) => turn.session.sessionKey },
  { name: "principal", type: "text", of: ({ turn }) => turn.principal },
  { name: "key", type: "text", of: ({ turn }) => turn.idempotencyKey },
  { name: "turn_id", type: "uuid", of: ({ turn }) => turn.turnId },
  { name: "claim_run_id", type: "uuid", of: ({ admission }) => admission.claimRunId },
  { name: "front", type: "boolean", of: ({ admission }) => admission.front },
  {
    name: "max_waiting",
    type: "int",
    of: ({ admission }) => (admission.mayWait ? admission.maxWaiting : 0),
  },
  { name: "agent_id", type: "text", of: ({ turn }) => turn.agentId },
  { name: "turn_class", type: "smallint", of: ({ turn }) => turn.turnClass },
  { name: "on_conflict", type: "smallint", of: ({ turn }) => turn.onConflict },
  { name: "request_id", type: "text", of: ({ turn }) => turn.requestId },
  { name: "trace_id", type: "text", of: ({ turn }) => turn.traceId },
  { name: "traceparent", type: "text", of: ({ turn }) => turn.traceparent },
  { name: "origin", type: "bytea", of: ({ turn }) => originBytes(turn.origin) },
  { name: "route_id", type: "text", of: ({ turn }) => turn.routeId },
  { name: "session_id", type: "text", of: ({ turn }) => turn.session.sessionId },
  { name: "generation", type: "bigint", of: ({ turn }) => turn.session.generation },
  { name: "required_generation", type: "bigint", of: ({ turn }) => turn.requiredGeneration },
  { name: "max_wait_ms", type: "bigint", of: ({ turn }) => turn.maxWaitMs },
  { name: "seed_from", type: "int", of: ({ seed }) => seed.from },
  { name: "seed_to", type: "int", of: ({ seed }) => seed.to },
  { name: "input_from", type: "int", of: ({ input }) => input.from },
  { name: "input_to", type: "int", of: ({ input }) => input.to },
  { name: "parameters", type: "text", of: ({ turn }) => turn.parameters },
  { name: "parent_turn_id", type: "uuid", of: ({ turn }) => turn.parentTurnId },
  { name: "root_turn_id", type: "uuid", of: ({ turn }) => turn.rootTurnId },
  { name: "chain_from", type: "int", of: ({ chain }) => chain.from },
  { name: "chain_to", type: "int", of: ({ chain }) => chain.to },
  { name: "replica", type: "text", of: ({ admission }) => admission.replica },
  { name: "fingerprint", type: "bytea", of: ({ turn }) => turn.fingerprint },
  { name: "is_generated", type: "boolean", of: ({ turn }) => turn.keyIsGenerated },
];

const LISTS = COLUMNS.length;
const SEED = `($${LISTS + 1}::bytea[])`;
const INPUT = `($${LISTS + 2}::bytea[])`;
const CHAIN = `($${LISTS + 3}::text[])`;

const IS_FREE = "(l.holder_run_id IS NULL AND l.depth = 0)";
/** A free lane takes what a new one would; of a busy one the bound of waiting turns leaves so many places. */
const TAKEN = `CASE WHEN ${IS_FREE} THEN excluded.taken
    ELSE least(excluded.taken, excluded.max_waiting - l.depth) END`;

/**
 * The whole admission in one statement, so that a turn costs one round trip and one flush to disk, and
 * a refusal (no row comes back) changed nothing. The upsert locks the lanes, in key order; a free lane
 * is claimed in passing, by the first of its lot. A repeat is seen by the look-up; two that race are told
 * apart by the unique key, whose violation undoes all of it. Idempotency rows come last and in order too:
 * the sort has to see every lane before the first of them is written. Of a lot those are taken that have
 * room, from its first on; the snapshot shows who waits before that one alone.
 */
const insertLaneTurns = (name: string, fresh: string) =>
  batchStatement(
    name,
    COLUMNS,
    ({ item }) => `
WITH ${item}, fresh AS MATERIALIZED (
  SELECT i.*, ${fresh}
), lane AS (
  INSERT INTO lanes AS l
    (tenant, session_key, next_seq, depth, active_turn_id, holder_run_id, taken, max_waiting)
  SELECT f.tenant, f.session_key, 1 + f.room, f.room - (f.claim_run_id IS NOT NULL)::int,
    CASE WHEN f.claim_run_id IS NOT NULL THEN f.turn_id END, f.claim_run_id, f.room, f.max_waiting
  FROM fresh f
  WHERE f.rank = 1
  ORDER BY f.tenant, f.session_key
  ON CONFLICT (tenant, session_key) DO UPDATE SET
    next_seq = l.next_seq + ${TAKEN},
    depth = CASE WHEN ${IS_FREE} THEN excluded.depth ELSE l.depth + ${TAKEN} END,
    active_turn_id = CASE WHEN ${IS_FREE} THEN excluded.active_turn_id ELSE l.active_turn_id END,
    holder_run_id = CASE WHEN ${IS_FREE} THEN excluded.holder_run_id ELSE l.holder_run_id END,
    taken = ${TAKEN},
    max_waiting = excluded.max_waiting
  WHERE ${IS_FREE} OR l.depth < excluded.max_waiting
  RETURNING l.tenant, l.session_key, l.next_seq - l.taken AS first_seq, l.taken, l.holder_run_id
), admitted AS (
  SELECT f.*, lane.first_seq + f.rank - 1 AS lane_seq, lane.holder_run_id,
    coalesce(lane.holder_run_id = f.claim_run_id, false) AS is_claimed
  FROM lane JOIN fresh f USING (tenant, session_key)
  WHERE f.rank <= lane.taken
  ORDER BY f.place
), turn AS (
  INSERT INTO turns (
    tenant, turn_id, agent_id, session_key, state, turn_class, disposition, on_conflict, lane_seq,
    front, principal, request_id, idempotency_key, trace_id, traceparent, origin, route_id,
    admitted_session_id, admitted_generation, required_generation, accept_time, expire_time,
    seed, input, parameters, parent_turn_id, root_turn_id, call_chain, run_id, replica,
    renewed_at)
  SELECT a.tenant, a.turn_id, a.agent_id, a.session_key, 1, a.turn_class,
    CASE WHEN a.is_claimed THEN ${Disposition.STARTED} ELSE ${Disposition.QUEUED} END,
    a.on_conflict, a.lane_seq,
    a.front, a.principal, a.request_id, a.key, a.trace_id, a.traceparent, a.origin, a.route_id,
    a.session_id, a.generation, a.required_generation,
    clock_timestamp(), clock_timestamp() + a.max_wait_ms * interval '1 ms',
    ${SEED}[a.seed_from:a.seed_to], ${INPUT}[a.input_from:a.input_to], a.parameters, a.parent_turn_id,
    a.root_turn_id,
    ${CHAIN}[a.chain_from:a.chain_to],
    CASE WHEN a.is_claimed THEN a.claim_run_id END, a.replica,
    CASE WHEN a.is_claimed THEN clock_timestamp() END
  FROM admitted a
  RETURNING turn_id, accept_time
), known AS (
  INSERT INTO idempotency (tenant, principal, key, fingerprint, turn_id, is_generated, create_time)
  SELECT a.tenant, a.principal, a.key, a.fingerprint, a.turn_id, a.is_generated, turn.accept_time
  FROM turn JOIN admitted a USING (turn_id)
  ORDER BY a.tenant, a.principal, a.key
)
SELECT a.place::int, a.first_place::int, a.rank::int, a.lane_seq, a.is_claimed, turn.accept_time,
  CASE WHEN a.is_claimed OR a.rank > 1 THEN 0 ELSE
    (a.holder_run_id IS NOT NULL)::int + (
      SELECT count(*) FROM turns t
      WHERE t.tenant = a.tenant AND t.session_key = a.session_key AND ${isWaiting("t")}
        AND (t.front OR NOT a.front)
        AND (t.front OR t.turn_class = ${TurnClass.PERSON} OR a.turn_class = ${TurnClass.SYSTEM}))::int
  END AS before
FROM admitted a JOIN turn USING (turn_id)`,
  );

/** New, and its reply, if it goes through delivery, has room; what no bound holds back has none here either. */
const MAY_COME = `FROM item i
  WHERE NOT EXISTS (SELECT FROM idempotency k
    WHERE k.tenant = i.tenant AND k.principal = i.principal AND k.key = i.key)
  AND (i.route_id = '' OR i.max_waiting = ${LIMITS.unboundedTurns}
    OR NOT ${outboxIsFull("i.tenant", "i.session_key")})`;

/** Of different lanes, or one: the usual case is spared a sort and a window, a seventh of its time. */
const INSERT_ONE_EACH = insertLaneTurns(
  "runner_insert_lane_turns",
  `1 AS rank, i.place AS first_place, 1 AS room
  ${MAY_COME}`,
);

/** The room is what a free lane has. */
const INSERT_LOTS = insertLaneTurns(
  "runner_insert_lots",
  `row_number() OVER lot AS rank,
    first_value(i.place) OVER lot AS first_place, least(count(*) OVER lot,
      greatest(1, i.max_waiting::bigint + (first_value(i.claim_run_id) OVER lot IS NOT NULL)::int)
    )::int AS room
  ${MAY_COME}
  WINDOW lot AS (PARTITION BY i.tenant, i.session_key ORDER BY i.place
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)`,
);

/** The rows of those that were admitted. `isOneEach`: of different lanes. */
export function insertedRows<Row>(
  sql: Sql,
  turns: readonly LaneAdmission[],
  isOneEach: boolean,
): Promise<Row[]> {
  const seed = layEndToEnd(turns.map(({ admission }) => messagesBytes(admission.seed)));
  const input = layEndToEnd(turns.map(({ admission }) => messagesBytes(admission.input)));
  const chain = layEndToEnd(turns.map(({ turn }) => turn.callChain));
  const nothing = { from: 1, to: 0 };
  const items = turns.map((one, index) => ({
    turn: one.turn,
    admission: one.admission,
    seed: seed.slices[index] ?? nothing,
    input: input.slices[index] ?? nothing,
    chain: chain.slices[index] ?? nothing,
  }));
  const statement = isOneEach ? INSERT_ONE_EACH : INSERT_LOTS;
  return statement.rows(sql, items, seed.all, input.all, chain.all);
}
