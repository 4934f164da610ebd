import { byPlace, type Column } from "@lanekeeper/postgres";
import { batchStatement } from "../batch-statement.ts";
import { pageOf, pageOfTranscript, type PageRow, type TranscriptPage } from "./transcript-page.ts";
import type { SeenSession } from "./sessions.ts";
import type { Sql } from "../sql.ts";

/** The end of which session's transcript, and how many messages of it. */
export interface RecentOf {
  readonly tenant: string;
  readonly sessionId: string;
  readonly limit: number;
}

/** A session and the end of its transcript. */
export interface Recent extends TranscriptPage {
  /** Undefined: nothing was said in it yet, and it has no parent that is known. */
  readonly seen: SeenSession | undefined;
}

const COLUMNS: readonly Column<RecentOf>[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "session_id", type: "text", of: ({ sessionId }) => sessionId },
  { name: "message_limit", type: "int", of: ({ limit }) => limit },
];

const PAGE = pageOfTranscript(`
    SELECT seq, body FROM messages
    WHERE tenant = i.tenant AND session_id = i.session_id
    ORDER BY seq DESC LIMIT i.message_limit`);

const READ_RECENT = batchStatement(
  "runner_read_recent",
  COLUMNS,
  ({ item }) => `
WITH ${item}
SELECT i.place::int, s.session_id AS "sessionId", s.session_key AS "sessionKey", s.generation,
  s.parent_session_id AS "parentSessionId", s.parent_through_turn_id AS "parentThroughTurnId",
  s.compacted_by_run_id AS "compactedByRunId", page.places, page.bodies
FROM item i
JOIN sessions s ON s.tenant = i.tenant AND s.session_id = i.session_id
CROSS JOIN LATERAL (${PAGE}) page`,
);

type Row = Omit<SeenSession, "compactedByRunId"> &
  PageRow & {
    readonly place: number;
    readonly compactedByRunId: string | null;
  };

/** The ends of transcripts, in one statement. */
export async function readRecentOfAll(
  sql: Sql,
  asked: readonly RecentOf[],
): Promise<readonly Recent[]> {
  const found = byPlace(await READ_RECENT.rows<Row>(sql, asked), asked.length);
  return asked.map(({ limit }, index) => {
    const row = found[index];
    if (row === undefined) return { seen: undefined, said: [], isMore: false };
    return { seen: seenOf(row), ...pageOf(row, limit) };
  });
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
