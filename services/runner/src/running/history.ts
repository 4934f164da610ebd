import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageChars } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { readBackwards } from "../store/read-transcript.ts";
import { readSession, type SeenSession } from "../store/sessions.ts";
import type { Sql } from "../store/sql.ts";
import { readSummary, type Summary } from "../store/summaries.ts";

const FROM_THE_END = 2n ** 62n;

/** A message of a session's history, and where it stands. */
export interface PlacedMessage {
  readonly sessionId: string;
  readonly seq: bigint;
  readonly message: Message;
}

/** What was said before a turn. */
export interface History {
  /** Stands for all that came before `said`; empty: nothing does. */
  readonly summary: string;
  /** Oldest first. */
  readonly said: readonly PlacedMessage[];
}

/** A session, or the part of it, that history is read from next. */
interface Stretch {
  readonly sessionId: string;
  readonly throughTurnId: string;
  readonly afterSeq: bigint;
}

/**
 * What was said in a session and, through its parents, before it: only as much from the end as a
 * context of this many characters can hold. It ends where a generation begins with a summary, except
 * for what the summary left to be shown verbatim; without one it goes on into the predecessor.
 */
export async function readHistory(
  sql: Sql,
  tenant: string,
  sessionId: string,
  maxChars: number,
): Promise<History> {
  const newestFirst: PlacedMessage[] = [];
  let left = maxChars;
  let next: Stretch = { sessionId, throughTurnId: "", afterSeq: 0n };
  for (let depth = 0; depth < LIMITS.parentDepth && next.sessionId !== "" && left > 0; depth++) {
    const [said, seen] = await Promise.all([
      readBack(sql, tenant, next, left),
      readSession(sql, tenant, next.sessionId),
    ]);
    newestFirst.push(...said);
    left -= charsOf(said);
    const summary = await summaryOf(sql, tenant, seen);
    if (summary !== undefined) {
      const kept = await readBack(sql, tenant, coveredBy(summary), left);
      return { summary: summary.body, said: [...newestFirst, ...kept].toReversed() };
    }
    next = {
      sessionId: seen?.parentSessionId ?? "",
      throughTurnId: seen?.parentThroughTurnId ?? "",
      afterSeq: 0n,
    };
  }
  return { summary: "", said: newestFirst.toReversed() };
}

/** Only of the run that made the generation: another's may have been stored before later turns. */
async function summaryOf(
  sql: Sql,
  tenant: string,
  seen: SeenSession | undefined,
): Promise<Summary | undefined> {
  if (seen?.compactedByRunId === undefined) return undefined;
  const { sessionKey, generation, compactedByRunId: runId } = seen;
  return readSummary(sql, tenant, { sessionKey, generation, runId });
}

function coveredBy({ coversSessionId, coversThroughSeq }: Summary): Stretch {
  return { sessionId: coversSessionId, throughTurnId: "", afterSeq: coversThroughSeq };
}

async function readBack(
  sql: Sql,
  tenant: string,
  stretch: Stretch,
  maxChars: number,
): Promise<PlacedMessage[]> {
  const said: PlacedMessage[] = [];
  let left = maxChars;
  for (let beforeSeq = FROM_THE_END; left > 0; ) {
    const page = { ...stretch, beforeSeq, limit: LIMITS.transcriptPage };
    const found = await readBackwards(sql, tenant, page);
    const placed = found.map((one) => ({ ...one, sessionId: stretch.sessionId }));
    said.push(...placed);
    left -= charsOf(placed);
    if (found.length < LIMITS.transcriptPage) break;
    beforeSeq = found.at(-1)?.seq ?? 0n;
  }
  return said;
}

function charsOf(said: readonly PlacedMessage[]): number {
  return said.reduce((sum, { message }) => sum + messageChars(message, LIMITS.charsPerFile), 0);
}
