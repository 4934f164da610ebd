import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageChars } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { readBackwards } from "../store/read-transcript.ts";
import { readSession } from "../store/sessions.ts";
import type { Sql } from "../store/sql.ts";

const FROM_THE_END = 2n ** 62n;

/**
 * What was said in a session and, through its parents, before it: oldest first, and only as much from
 * the end as a context of this many characters can hold.
 */
export async function readHistory(
  sql: Sql,
  tenant: string,
  sessionId: string,
  maxChars: number,
): Promise<Message[]> {
  const newestFirst: Message[] = [];
  let left = maxChars;
  let next = { sessionId, throughTurnId: "" };
  for (let depth = 0; depth < LIMITS.parentDepth && next.sessionId !== "" && left > 0; depth++) {
    const [said, seen] = await Promise.all([
      readSessionBackwards(sql, tenant, next, left),
      readSession(sql, tenant, next.sessionId),
    ]);
    newestFirst.push(...said);
    left -= charsOf(said);
    next = {
      sessionId: seen?.parentSessionId ?? "",
      throughTurnId: seen?.parentThroughTurnId ?? "",
    };
  }
  return newestFirst.toReversed();
}

async function readSessionBackwards(
  sql: Sql,
  tenant: string,
  session: { readonly sessionId: string; readonly throughTurnId: string },
  maxChars: number,
): Promise<Message[]> {
  const said: Message[] = [];
  let left = maxChars;
  for (let beforeSeq = FROM_THE_END; left > 0; ) {
    const page = { ...session, beforeSeq, limit: LIMITS.transcriptPage };
    const found = await readBackwards(sql, tenant, page);
    const messages = found.map(({ message }) => message);
    said.push(...messages);
    left -= charsOf(messages);
    if (found.length < LIMITS.transcriptPage) break;
    beforeSeq = found.at(-1)?.seq ?? 0n;
  }
  return said;
}

function charsOf(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + messageChars(message, LIMITS.charsPerFile), 0);
}
