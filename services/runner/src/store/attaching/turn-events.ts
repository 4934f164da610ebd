import { type Column, UNHURRIED } from "@lanekeeper/postgres";
import { firstStreamSeq } from "../../domain/stream-seq.ts";
import { LIMITS } from "../../limits.ts";
import { batchStatement } from "../batch-statement.ts";
import { rows, type Sql } from "../sql.ts";
import { stateIn } from "../state-in.ts";

/** A portion of a turn's events. */
export interface EventChunk {
  readonly firstSeq: bigint;
  readonly lastSeq: bigint;
  /** AttachTurnResponse messages, each behind its size. */
  readonly body: Uint8Array;
}

/** What is to be stored of a turn. */
export interface ChunkOfTurn {
  readonly tenant: string;
  readonly turnId: string;
  readonly chunk: EventChunk;
}

const COLUMNS: readonly Column<ChunkOfTurn>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "turn_id", type: "uuid", of: ({ turnId }) => turnId },
  { name: "first_seq", type: "bigint", of: ({ chunk }) => chunk.firstSeq },
  { name: "last_seq", type: "bigint", of: ({ chunk }) => chunk.lastSeq },
  { name: "body", type: "bytea", of: ({ chunk }) => chunk.body },
];

const APPEND_EVENTS = batchStatement(
  "runner_append_events",
  COLUMNS,
  ({ item }) => `
WITH ${UNHURRIED}, ${item}
INSERT INTO turn_events (tenant, turn_id, first_seq, last_seq, body, create_time)
SELECT i.tenant, i.turn_id, i.first_seq, i.last_seq, i.body, clock_timestamp() FROM item i, unhurried
ON CONFLICT DO NOTHING`,
);

/** Of different turns. What is there already stays as it is. */
export async function appendEventsOfAll(sql: Sql, chunks: readonly ChunkOfTurn[]): Promise<void> {
  await APPEND_EVENTS.rows(sql, chunks);
}

/** A turn that somebody follows from elsewhere. */
export interface Followed {
  readonly tenant: string;
  readonly turnId: string;
  /** The last number that was told. */
  readonly afterSeq: bigint;
}

/** Where a followed turn stands, and what was said in it since. */
export interface FollowedState {
  readonly turnId: string;
  readonly afterSeq: bigint;
  /** Null: it has none. A merge leads a turn that waits to another. */
  readonly sessionKey: string | null;
  readonly state: number;
  readonly chunks: readonly Buffer[];
  /** Nobody holds its lane. */
  readonly laneIsFree: boolean;
}

/**
 * One page a turn: the next poll reads on. The state is read with the events, so that an ended turn's are all there.
 * Who was told nothing yet begins with the run that stands, or comes next: what others said is void.
 * Past retention there are none: they are removed one by one, and those that are left would be half an answer.
 */
const READ_FOLLOWED = {
  name: "runner_read_followed",
  text: `
SELECT t.turn_id AS "turnId", f.after_seq AS "afterSeq", t.session_key AS "sessionKey", t.state,
  coalesce(l.holder_run_id IS NULL AND l.session_key IS NOT NULL, false) AS "laneIsFree",
  ARRAY(SELECT e.body FROM turn_events e
        WHERE e.tenant = t.tenant AND e.turn_id = t.turn_id AND e.last_seq > f.after_seq
          AND (f.after_seq > 0 OR e.first_seq > $6::bigint *
            (t.run_count - 1 + CASE WHEN ${stateIn("t.state", "QUEUED")} THEN 1 ELSE 0 END))
          AND (t.end_time IS NULL OR t.end_time >= clock_timestamp() - $5 * interval '1 ms')
        ORDER BY e.first_seq LIMIT $4) AS chunks
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS f (tenant, turn_id, after_seq)
JOIN turns t ON t.tenant = f.tenant AND t.turn_id = f.turn_id
LEFT JOIN lanes l ON l.tenant = t.tenant AND l.session_key = t.session_key`,
};

export function readFollowed(
  sql: Sql,
  followed: readonly Followed[],
  pageRows: number,
): Promise<FollowedState[]> {
  return rows(sql, READ_FOLLOWED, [
    followed.map(({ tenant }) => tenant),
    followed.map(({ turnId }) => turnId),
    followed.map(({ afterSeq }) => afterSeq),
    pageRows,
    LIMITS.eventsRetentionMs,
    firstStreamSeq(2) - firstStreamSeq(1),
  ]);
}
