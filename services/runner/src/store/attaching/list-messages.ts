import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageOf } from "../codec.ts";
import { rows, type Sql } from "../sql.ts";

/** A message as it stands in a transcript. */
export interface StoredMessage {
  readonly seq: bigint;
  readonly message: Message;
  readonly turnId: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly principal: string;
  readonly createTime: Date;
}

const COLUMNS = `m.seq, m.body, m.turn_id AS "turnId", m.session_id AS "sessionId", s.generation,
  m.principal, m.create_time AS "createTime"`;

const OF_SESSION = {
  name: "runner_messages_of_session",
  text: `
SELECT ${COLUMNS} FROM messages m
JOIN sessions s ON s.tenant = m.tenant AND s.session_id = m.session_id
WHERE m.tenant = $1 AND m.session_id = $2 AND m.seq > $3
ORDER BY m.seq LIMIT $4`,
};

const OF_KEY = {
  name: "runner_messages_of_key",
  text: `
SELECT ${COLUMNS} FROM sessions s
JOIN messages m ON m.tenant = s.tenant AND m.session_id = s.session_id
WHERE s.tenant = $1 AND s.session_key = $2 AND (s.generation, m.seq) > ($3, $4)
ORDER BY s.generation, m.seq LIMIT $5`,
};

type Raw = Omit<StoredMessage, "message"> & { readonly body: Buffer };

/** One session's own messages, oldest first, after a place. */
export async function messagesOfSession(
  sql: Sql,
  tenant: string,
  sessionId: string,
  afterSeq: bigint,
  limit: number,
): Promise<StoredMessage[]> {
  return (await rows<Raw>(sql, OF_SESSION, [tenant, sessionId, afterSeq, limit])).map(decoded);
}

/** All generations of a key, oldest first, after a place. */
export async function messagesOfKey(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  after: { readonly generation: bigint; readonly seq: bigint },
  limit: number,
): Promise<StoredMessage[]> {
  const params = [tenant, sessionKey, after.generation, after.seq, limit];
  return (await rows<Raw>(sql, OF_KEY, params)).map(decoded);
}

const KEPT = {
  name: "runner_kept_sessions",
  text: `
SELECT session_id AS "sessionId" FROM messages
WHERE tenant = $1 AND session_id = ANY ($2::text[]) AND seq = 1`,
};

/**
 * Of these sessions, of which something was said, those whose transcripts are whole: what is past its retention is
 * removed from its beginning on.
 */
export async function keptSessions(
  sql: Sql,
  tenant: string,
  sessionIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const kept = await rows<{ readonly sessionId: string }>(sql, KEPT, [tenant, sessionIds]);
  return new Set(kept.map(({ sessionId }) => sessionId));
}

function decoded({ body, ...rest }: Raw): StoredMessage {
  return { ...rest, message: messageOf(body) };
}
