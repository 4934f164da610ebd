import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { Ending } from "../domain/ending.ts";
import { RUN_ENDINGS } from "../domain/ending.ts";
import type { Told } from "../domain/transcript.ts";
import { stateCode } from "../domain/turn-state.ts";
import type { Held } from "./claim-head.ts";
import { messageBytes } from "./codec.ts";
import { first, type Sql } from "./sql.ts";
import { mayBecomeFrom } from "./state-in.ts";
import type { EventChunk } from "./turn-events.ts";

const COMPLETED = stateCode("COMPLETED");

/**
 * Step three of a commit, in one statement: the transcript, the outbox row, the turn's end, the lane
 * free. Everything hangs on the lane's compare-and-set on the holder, and then on the turn's, so that a
 * repeat (by this replica or by a successor) finds nothing to do.
 */
const FINISH = {
  name: "runner_finish",
  text: `
WITH lane AS (
  UPDATE lanes SET active_turn_id = NULL, holder_run_id = NULL,
    persons_served = CASE WHEN $5 = ${TurnClass.PERSON} THEN persons_served + 1 ELSE 0 END
  WHERE tenant = $1 AND session_key = $2 AND holder_run_id = $4
  RETURNING depth
), turn AS (
  UPDATE turns t SET state = r.prepared_state, end_time = clock_timestamp(),
    error_reason = r.error_reason, error_message = r.error_message, reply = r.reply,
    input_tokens = r.input_tokens, output_tokens = r.output_tokens, finish_reason = r.finish_reason,
    model = r.model, ended_stream_seq = r.ended_stream_seq, is_told = r.keeps_input
  FROM lane, runs r
  WHERE t.tenant = $1 AND t.turn_id = $3 AND t.run_id = $4
    AND ${mayBecomeFrom("t.state", "COMPLETED")}
    AND r.tenant = $1 AND r.turn_id = $3 AND r.run_id = $4 AND r.prepared_state IS NOT NULL
  RETURNING t.*
), run AS (
  UPDATE runs r SET end_time = turn.end_time, outcome = $6 FROM turn
  WHERE r.tenant = $1 AND r.turn_id = $3 AND r.run_id = $4
), session AS (
  INSERT INTO sessions AS s
    (tenant, session_id, session_key, generation, parent_session_id, parent_through_turn_id, message_count)
  SELECT $1, turn.session_id, $2, turn.generation, '', '', cardinality($7::bytea[]) FROM turn
  WHERE cardinality($7::bytea[]) > 0
  ON CONFLICT (tenant, session_id) DO UPDATE SET message_count = s.message_count + excluded.message_count
  RETURNING s.message_count - cardinality($7::bytea[]) AS base
), told AS (
  INSERT INTO messages (tenant, session_id, seq, turn_id, role, principal, body, create_time)
  SELECT $1, turn.session_id, session.base + said.ordinal, $3, said.role, said.principal, said.body,
    turn.end_time
  FROM turn, session,
    unnest($7::bytea[], $8::smallint[], $9::text[]) WITH ORDINALITY
      AS said (body, role, principal, ordinal)
), sent AS (
  INSERT INTO outbox (tenant, session_key, turn_id, route_id, session_id, generation, principal,
    request_id, traceparent, reply, create_time, next_attempt_time)
  SELECT $1, $2, $3, turn.route_id, turn.session_id, turn.generation, turn.principal,
    turn.request_id, turn.traceparent, turn.reply, turn.end_time, turn.end_time
  FROM turn WHERE turn.route_id <> '' AND turn.state = ${COMPLETED}
), event AS (
  INSERT INTO turn_events (tenant, turn_id, first_seq, last_seq, body, create_time)
  SELECT $1, $3, $10, $11, $12, turn.end_time FROM turn WHERE $12::bytea IS NOT NULL
  ON CONFLICT DO NOTHING
)
SELECT lane.depth, turn.route_id <> '' AS "isRouted", turn.end_time AS "endTime",
  EXISTS (SELECT FROM turns s WHERE s.tenant = $1 AND s.session_key = $2 AND s.state = 1
          AND s.into_turn_id = $3 AND s.steer IS NOT NULL) AS "hasSteers"
FROM lane, turn`,
};

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

/** Undefined: somebody did it before, or the turn is another run's. */
export async function finish(
  db: { transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> } & Sql,
  held: Held & { readonly turnClass: number },
  ending: Pick<Ending, "state">,
  told: readonly Told[],
  chunk: EventChunk | undefined,
): Promise<Finished | undefined> {
  return first<Finished>(db, FINISH, [
    held.tenant,
    held.sessionKey,
    held.turnId,
    held.runId,
    held.turnClass,
    RUN_ENDINGS[ending.state],
    told.map(({ message }) => messageBytes(message)),
    told.map(({ message }) => message.role),
    told.map(({ principal }) => principal),
    chunk?.firstSeq ?? null,
    chunk?.lastSeq ?? null,
    chunk?.body ?? null,
  ]);
}
