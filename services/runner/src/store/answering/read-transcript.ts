import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";

const READ_BACKWARDS = {
  name: "runner_read_transcript_backwards",
  text: `
SELECT seq, body FROM messages
WHERE tenant = $1 AND session_id = $2 AND seq < $3 AND seq > $6
  AND ($4 = '' OR seq <= (SELECT max(seq) FROM messages
                          WHERE tenant = $1 AND session_id = $2 AND turn_id::text = $4))
ORDER BY seq DESC LIMIT $5`,
};

/** A message of a transcript with its place. */
export interface Said {
  readonly seq: bigint;
  readonly message: Message;
}

/** A page of one session's transcript, newest first, from before a place. */
export async function readBackwards(
  sql: Sql,
  tenant: string,
  page: {
    readonly sessionId: string;
    readonly beforeSeq: bigint;
    /** 0n: from the first on. */
    readonly afterSeq: bigint;
    /** Empty: to the end. */
    readonly throughTurnId: string;
    readonly limit: number;
  },
): Promise<Said[]> {
  const { sessionId, beforeSeq, afterSeq, throughTurnId, limit } = page;
  const params = [tenant, sessionId, beforeSeq, throughTurnId, limit, afterSeq];
  const found = await rows<{ seq: bigint; body: Buffer }>(sql, READ_BACKWARDS, params);
  return found.map(({ seq, body }) => ({ seq, message: messageOf(body) }));
}
