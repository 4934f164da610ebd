import { first, type Sql } from "../sql.ts";
import { pageOf, pageOfTranscript, type PageRow, type TranscriptPage } from "./transcript-page.ts";

const READ_BACKWARDS = {
  name: "runner_read_transcript_backwards",
  text: pageOfTranscript(`
    SELECT seq, body FROM messages
    WHERE tenant = $1 AND session_id = $2 AND seq < $3 AND seq > $6
      AND ($4 = '' OR seq <= (SELECT max(seq) FROM messages
                              WHERE tenant = $1 AND session_id = $2 AND turn_id::text = $4))
    ORDER BY seq DESC LIMIT $5`),
};

/** Which part of a session's transcript, and how many messages of its end. */
export interface Part {
  readonly sessionId: string;
  readonly beforeSeq: bigint;
  /** 0n: from the first on. */
  readonly afterSeq: bigint;
  /** Empty: to the end. */
  readonly throughTurnId: string;
  readonly limit: number;
}

/** A page of one session's transcript, from before a place. */
export async function readBackwards(sql: Sql, tenant: string, part: Part): Promise<TranscriptPage> {
  const { sessionId, beforeSeq, afterSeq, throughTurnId, limit } = part;
  const params = [tenant, sessionId, beforeSeq, throughTurnId, limit, afterSeq];
  const row = await first<PageRow>(sql, READ_BACKWARDS, params);
  return pageOf(row ?? { places: null, bodies: null }, limit);
}
