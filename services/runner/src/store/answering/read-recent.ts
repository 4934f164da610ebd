import { byPlace, type Column } from "@lanekeeper/postgres";
import { batchStatement } from "../batch-statement.ts";
import { messageOf } from "../codec.ts";
import type { Said } from "./read-transcript.ts";
import type { SeenSession } from "./sessions.ts";
import type { Sql } from "../sql.ts";

/** The end of which session's transcript, and how many messages of it. */
export interface RecentOf {
  readonly tenant: string;
  readonly sessionId: string;
  readonly limit: number;
}

/** A session and the end of its transcript. */
export interface Recent {
  /** Undefined: nothing was said in it yet, and it has no parent that is known. */
  readonly seen: SeenSession | undefined;
  /** Newest first. */
  readonly said: readonly Said[];
}

const COLUMNS: readonly Column<RecentOf>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "session_id", type: "text", of: ({ sessionId }) => sessionId },
  { name: "message_limit", type: "int", of: ({ limit }) => limit },
];

/** A row for each message; one without a message for a session in which nothing was said. */
const READ_RECENT = batchStatement(
  "runner_read_recent",
  COLUMNS,
  ({ item }) => `
WITH ${item}
SELECT i.place::int, s.session_id AS "sessionId", s.session_key AS "sessionKey", s.generation,
  s.parent_session_id AS "parentSessionId", s.parent_through_turn_id AS "parentThroughTurnId",
  s.compacted_by_run_id AS "compactedByRunId", m.seq, m.body
FROM item i
JOIN sessions s ON s.tenant = i.tenant AND s.session_id = i.session_id
LEFT JOIN LATERAL (
  SELECT seq, body FROM messages
  WHERE tenant = i.tenant AND session_id = i.session_id
  ORDER BY seq DESC LIMIT i.message_limit
) m ON true
ORDER BY i.place, m.seq DESC`,
);

type Row = Omit<SeenSession, "compactedByRunId"> & {
  readonly place: number;
  readonly compactedByRunId: string | null;
  readonly seq: bigint | null;
  readonly body: Buffer | null;
};

/** The ends of transcripts, in one statement. */
export async function readRecentOfAll(
  sql: Sql,
  asked: readonly RecentOf[],
): Promise<readonly Recent[]> {
  const found = await READ_RECENT.rows<Row>(sql, asked);
  const said = asked.map((): Said[] => []);
  for (const { place, seq, body } of found) {
    if (seq !== null && body !== null) said[place - 1]?.push({ seq, message: messageOf(body) });
  }
  return byPlace(found, asked.length).map((row, index) => ({
    seen: row && seenOf(row),
    said: said[index] ?? [],
  }));
}

function seenOf(row: Row): SeenSession {
  const { sessionId, sessionKey, generation, parentSessionId, parentThroughTurnId } = row;
  const compactedByRunId = row.compactedByRunId ?? undefined;
  return {
    sessionId,
    sessionKey,
    generation,
    parentSessionId,
    parentThroughTurnId,
    compactedByRunId,
  };
}
