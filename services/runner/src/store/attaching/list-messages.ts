import { pageOf, pageOfBytes, type PageRow } from "@lanekeeper/postgres";
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

const BYTES = `octet_length(m.body) AS "pageBytes"`;

const OF_SESSION = {
  name: "runner_messages_of_session",
  text: pageOfBytes({
    select: `
SELECT ${COLUMNS}, ${BYTES} FROM messages m
JOIN sessions s ON s.tenant = m.tenant AND s.session_id = m.session_id
WHERE m.tenant = $1 AND m.session_id = $2 AND m.seq > $3
ORDER BY m.seq LIMIT $4`,
    order: "seq",
    maxBytes: "$5",
  }),
};

const OF_KEY = {
  name: "runner_messages_of_key",
  text: pageOfBytes({
    select: `
SELECT ${COLUMNS}, ${BYTES} FROM sessions s
JOIN messages m ON m.tenant = s.tenant AND m.session_id = s.session_id
WHERE s.tenant = $1 AND s.session_key = $2 AND (s.generation, m.seq) > ($3, $4)
ORDER BY s.generation, m.seq LIMIT $5`,
    order: "generation, seq",
    maxBytes: "$6",
  }),
};

type Raw = Omit<StoredMessage, "message"> & PageRow & { readonly body: Buffer };

/** How much of a transcript is read at once: the message that goes over the bytes is the page's last. */
export interface PageBounds {
  readonly limit: number;
  readonly maxBytes: number;
}

export interface MessagePage {
  readonly messages: readonly StoredMessage[];
  readonly isMore: boolean;
}

/** One session's own messages, oldest first, after a place. */
export async function messagesOfSession(
  sql: Sql,
  tenant: string,
  sessionId: string,
  afterSeq: bigint,
  bounds: PageBounds,
): Promise<MessagePage> {
  const params = [tenant, sessionId, afterSeq, bounds.limit + 1, bounds.maxBytes];
  return messagesOf(await rows<Raw>(sql, OF_SESSION, params), bounds);
}

/** All generations of a key, oldest first, after a place. */
export async function messagesOfKey(
  sql: Sql,
  tenant: string,
  sessionKey: string,
  after: { readonly generation: bigint; readonly seq: bigint },
  bounds: PageBounds,
): Promise<MessagePage> {
  const { generation, seq } = after;
  const params = [tenant, sessionKey, generation, seq, bounds.limit + 1, bounds.maxBytes];
  return messagesOf(await rows<Raw>(sql, OF_KEY, params), bounds);
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

function messagesOf(found: readonly Raw[], { limit }: PageBounds): MessagePage {
  const { page, isMore } = pageOf(found, limit);
  return { messages: page.map(decoded), isMore };
}

function decoded({ body, seq, turnId, sessionId, generation, principal, createTime }: Raw) {
  const message = messageOf(body);
  return { seq, message, turnId, sessionId, generation, principal, createTime };
}
