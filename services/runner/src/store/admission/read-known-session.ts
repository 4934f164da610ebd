import type { KnownSession, KnownTurn } from "../../domain/new-input.ts";
import { textOf } from "../../domain/message-text.ts";
import { messageOf, messagesOf } from "../codec.ts";
import { first, rows, type Sql } from "../sql.ts";
import { isOpen } from "../state-in.ts";

/** Only turns whose input stands in the transcript are known: what never was said cannot be deducted. */
const READ_TURNS = {
  name: "runner_read_known_turns",
  text: `
(SELECT lane_seq, input, reply, true AS "isFinished" FROM turns
 WHERE tenant = $1 AND session_key = $2 AND end_time IS NOT NULL AND is_told AND session_id = $3
 ORDER BY turn_id DESC LIMIT $4)
UNION ALL
SELECT lane_seq, input, NULL, false FROM turns
WHERE tenant = $1 AND session_key = $2 AND ${isOpen("turns")}
ORDER BY "isFinished" DESC, lane_seq`,
};

/** Of a session: something stands in its transcript, or in one that it goes on from. */
const hasHistory = (sessionId: string): string => `
  (EXISTS (SELECT FROM messages WHERE tenant = $1 AND session_id = ${sessionId})
  OR EXISTS (SELECT FROM sessions WHERE tenant = $1 AND session_id = ${sessionId} AND parent_session_id <> ''))`;

const READ_SAID = {
  name: "runner_read_said",
  text: `
SELECT ${hasHistory("$2")} AS "hasHistory",
  ARRAY(SELECT body FROM messages WHERE tenant = $1 AND session_id = $2 AND role = 1
        ORDER BY seq DESC LIMIT $3) AS system`,
};

interface SaidRow {
  readonly hasHistory: boolean;
  readonly system: Buffer[];
}

/** What the rule for new input needs, read under the lane's lock. */
export async function readKnownSession(
  sql: Sql,
  tenant: string,
  session: { readonly sessionKey: string; readonly sessionId: string },
  limit: number,
): Promise<KnownSession> {
  const turns = await rows<TurnInput>(sql, READ_TURNS, [
    tenant,
    session.sessionKey,
    session.sessionId,
    limit,
  ]);
  const said = await first<SaidRow>(sql, READ_SAID, [tenant, session.sessionId, limit]);
  const isOpen = turns.some((turn) => !turn.isFinished);
  return {
    turns: turns.map(knownTurn),
    systemMessages: messagesOf(said?.system ?? []),
    isEmpty: said?.hasHistory !== true && !isOpen,
  };
}

const READ_IS_EMPTY = {
  name: "runner_read_is_empty",
  text: `
SELECT NOT EXISTS (SELECT FROM turns WHERE tenant = $1 AND session_key = $2 AND ${isOpen("turns")})
  AND NOT ${hasHistory("$3")} AS "isEmpty"`,
};

/** `isEmpty` of the known session alone, read under the lane's lock. */
export async function readIsEmpty(
  sql: Sql,
  tenant: string,
  { sessionKey, sessionId }: { readonly sessionKey: string; readonly sessionId: string },
): Promise<boolean> {
  const row = await first<{ isEmpty: boolean }>(sql, READ_IS_EMPTY, [
    tenant,
    sessionKey,
    sessionId,
  ]);
  return row?.isEmpty === true;
}

interface TurnInput {
  readonly input: Buffer[];
  readonly reply: Buffer | null;
  readonly isFinished: boolean;
}

function knownTurn({ input, reply, isFinished }: TurnInput): KnownTurn {
  const replyText = reply === null ? undefined : textOf(messageOf(reply));
  return { input: messagesOf(input), replyText, isFinished };
}
