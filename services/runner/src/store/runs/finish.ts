import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { Ending } from "../../domain/ending.ts";
import { RUN_ENDINGS } from "../../domain/ending.ts";
import type { Told } from "../../domain/transcript.ts";
import { stateCode } from "../../domain/turn-state.ts";
import type { Held } from "../lanes/claim-head.ts";
import { messageBytes } from "../codec.ts";
import { byPlace, type Column, UNHURRIED } from "@lanekeeper/postgres";
import { batchStatement } from "../batch-statement.ts";
import type { Sql } from "../sql.ts";
import { isSteered, mayBecomeFrom } from "../state-in.ts";
import type { EventChunk } from "../attaching/turn-events.ts";

const COMPLETED = stateCode("COMPLETED");

/** A held turn with what is made visible at its end. */
export interface EndOfTurn {
  readonly held: Held & { readonly turnClass: number };
  readonly ending: Pick<Ending, "state">;
  readonly told: readonly Told[];
  readonly chunk: EventChunk | undefined;
}

const COLUMNS: readonly Column<EndOfTurn>[] = [
  { name: "tenant", type: "text", of: ({ held }) => held.tenant },
  { name: "session_key", type: "text", of: ({ held }) => held.sessionKey },
  { name: "turn_id", type: "uuid", of: ({ held }) => held.turnId },
  { name: "run_id", type: "uuid", of: ({ held }) => held.runId },
  { name: "turn_class", type: "smallint", of: ({ held }) => held.turnClass },
  { name: "outcome", type: "smallint", of: ({ ending }) => RUN_ENDINGS[ending.state] },
  { name: "told_count", type: "int", of: ({ told }) => told.length },
  { name: "first_seq", type: "bigint", of: ({ chunk }) => chunk?.firstSeq },
  { name: "last_seq", type: "bigint", of: ({ chunk }) => chunk?.lastSeq },
  { name: "events", type: "bytea", of: ({ chunk }) => chunk?.body },
];

/** A message that a turn's end adds to the transcript: of which item, and which of its messages. */
interface ToldOf extends Told {
  readonly of: number;
  readonly nth: number;
}

const TOLD = COLUMNS.length;

/**
 * Step three of a commit, in one statement: the transcript, the outbox row, the turn's end, the lane
 * free. Everything hangs on the lane's compare-and-set on the holder, and then on the turn's, so that a
 * repeat (by this replica or by a successor) finds nothing to do; a lane is freed with the turn that
 * holds it or not at all. Lanes are locked first, in key order. A message that was handed over while the
 * ending was being stored, and that the ending did not see, is a turn of its own again before the lane is
 * free, so that nothing later goes before it. Nobody waits until it is flushed: forgotten by a server that died, it is
 * done again from what was prepared (docs/decisions/0056).
 */
const FINISH = batchStatement(
  "runner_finish",
  COLUMNS,
  ({ item }) => `
WITH ${UNHURRIED}, ${item}, said AS MATERIALIZED (
  SELECT * FROM unnest($${TOLD + 1}::int[], $${TOLD + 2}::int[], $${TOLD + 3}::bytea[],
    $${TOLD + 4}::smallint[], $${TOLD + 5}::text[]) AS s (place, nth, body, role, principal)
), held AS MATERIALIZED (
  SELECT l.tenant, l.session_key
  FROM lanes l JOIN item i ON l.tenant = i.tenant AND l.session_key = i.session_key
  WHERE l.holder_run_id = i.run_id
    AND EXISTS (SELECT FROM turns t WHERE t.tenant = i.tenant AND t.turn_id = i.turn_id
                AND t.run_id = i.run_id AND t.prepared_run_id = i.run_id
                AND ${mayBecomeFrom("t.state", "COMPLETED")})
  ORDER BY l.tenant, l.session_key
  FOR UPDATE OF l
), freed AS (
  UPDATE turns s SET steer = NULL, into_turn_id = NULL
  FROM item i JOIN held USING (tenant, session_key)
  WHERE s.tenant = i.tenant AND s.into_turn_id = i.turn_id AND ${isSteered("s")}
    AND s.steer = 1 AND s.session_key = i.session_key
  RETURNING i.place
), lane AS (
  UPDATE lanes l SET active_turn_id = NULL, holder_run_id = NULL,
    depth = l.depth + (SELECT count(*) FROM freed WHERE freed.place = i.place),
    persons_served = CASE WHEN i.turn_class = ${TurnClass.PERSON} THEN l.persons_served + 1 ELSE 0 END
  FROM item i JOIN held USING (tenant, session_key)
  WHERE l.tenant = i.tenant AND l.session_key = i.session_key AND l.holder_run_id = i.run_id
  RETURNING i.place, l.depth
), turn AS (
  UPDATE turns t SET state = r.prepared_state, end_time = clock_timestamp(),
    error_reason = r.error_reason, error_message = r.error_message, reply = r.reply,
    input_tokens = r.input_tokens, output_tokens = r.output_tokens, finish_reason = r.finish_reason,
    model = CASE WHEN r.reply IS NULL THEN '' ELSE r.model END, ended_stream_seq = r.ended_stream_seq, is_told = r.keeps_input
  FROM lane JOIN item i USING (place)
    JOIN runs r ON r.tenant = i.tenant AND r.turn_id = i.turn_id AND r.run_id = i.run_id
  WHERE t.tenant = i.tenant AND t.turn_id = i.turn_id AND t.run_id = i.run_id
    AND ${mayBecomeFrom("t.state", "COMPLETED")}
    AND r.prepared_state IS NOT NULL
  RETURNING i.*, t.session_id, t.generation, t.state, t.end_time, t.route_id, t.principal,
    t.request_id, t.traceparent, CASE WHEN t.route_id <> '' THEN t.reply END AS reply
), run AS (
  UPDATE runs r SET end_time = turn.end_time, outcome = turn.outcome FROM turn
  WHERE r.tenant = turn.tenant AND r.turn_id = turn.turn_id AND r.run_id = turn.run_id
), session AS (
  INSERT INTO sessions AS s
    (tenant, session_id, session_key, generation, parent_session_id, parent_through_turn_id, message_count)
  SELECT tenant, session_id, session_key, generation, '', '', told_count FROM turn
  WHERE told_count > 0
  ORDER BY tenant, session_id
  ON CONFLICT (tenant, session_id) DO UPDATE SET message_count = s.message_count + excluded.message_count
  RETURNING s.tenant, s.session_id, s.message_count
), told AS (
  INSERT INTO messages (tenant, session_id, seq, turn_id, role, principal, body, create_time)
  SELECT turn.tenant, turn.session_id, session.message_count - turn.told_count + said.nth,
    turn.turn_id, said.role, said.principal, said.body, turn.end_time
  FROM turn JOIN session USING (tenant, session_id) JOIN said USING (place)
), sent AS (
  INSERT INTO outbox (tenant, session_key, turn_id, route_id, session_id, generation, principal,
    request_id, traceparent, reply, create_time, next_attempt_time)
  SELECT tenant, session_key, turn_id, route_id, session_id, generation, principal,
    request_id, traceparent, reply, end_time, end_time
  FROM turn WHERE route_id <> '' AND state = ${COMPLETED}
), event AS (
  INSERT INTO turn_events (tenant, turn_id, first_seq, last_seq, body, create_time)
  SELECT tenant, turn_id, first_seq, last_seq, events, end_time FROM turn WHERE events IS NOT NULL
  ON CONFLICT DO NOTHING
)
SELECT turn.place::int, lane.depth, turn.route_id <> '' AS "isRouted", turn.end_time AS "endTime",
  EXISTS (SELECT FROM turns s WHERE s.tenant = turn.tenant AND s.session_key = turn.session_key
          AND ${isSteered("s")} AND s.into_turn_id = turn.turn_id AND s.steer = 2)
    AS "hasSteers"
FROM lane JOIN turn USING (place), unhurried`,
);

/** A turn that has reached its end. */
export interface Finished {
  /** Turns that wait in the lane. */
  readonly depth: number;
  /** An outbox row may have been written. */
  readonly isRouted: boolean;
  readonly endTime: Date;
  /** Messages were handed to it, and are to be settled. */
  readonly hasSteers: boolean;
}

/** Ends turns of different lanes. Undefined: somebody did it before, or the turn is another run's. */
export async function finishAll(
  sql: Sql,
  ends: readonly EndOfTurn[],
): Promise<readonly (Finished | undefined)[]> {
  const told = ends.flatMap((end, index) =>
    end.told.map(({ message, principal }, nth): ToldOf => {
      return { message, principal, of: index + 1, nth: nth + 1 };
    }),
  );
  const found = await FINISH.rows<Finished & { place: number }>(
    sql,
    ends,
    told.map(({ of }) => of),
    told.map(({ nth }) => nth),
    told.map(({ message }) => messageBytes(message)),
    told.map(({ message }) => message.role),
    told.map(({ principal }) => principal),
  );
  return byPlace(found, ends.length);
}
