import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { messageChars } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { readBackwards } from "../store/answering/read-transcript.ts";
import { readSession, type SeenSession } from "../store/answering/sessions.ts";
import { readSummary, type Summary } from "../store/answering/summaries.ts";
import type { Said } from "../store/answering/transcript-page.ts";
import type { RunnerDeps } from "../deps.ts";

type HistoryDeps = Pick<RunnerDeps, "db" | "steps">;

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
  deps: HistoryDeps,
  tenant: string,
  sessionId: string,
  maxChars: number,
): Promise<History> {
  const newestFirst: PlacedMessage[] = [];
  let left = maxChars;
  let next: Stretch = { sessionId, throughTurnId: "", afterSeq: 0n };
  for (let depth = 0; depth < LIMITS.parentDepth && next.sessionId !== "" && left > 0; depth++) {
    const { said, seen } = await readStretch(deps, tenant, next, left);
    newestFirst.push(...said);
    left -= charsOf(said);
    const summary = await summaryOf(deps, tenant, seen);
    if (summary !== undefined) {
      const kept = await readBack(deps, tenant, coveredBy(summary), left);
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
  { db }: HistoryDeps,
  tenant: string,
  seen: SeenSession | undefined,
): Promise<Summary | undefined> {
  if (seen?.compactedByRunId === undefined) return undefined;
  const { sessionKey, generation, compactedByRunId: runId } = seen;
  return readSummary(db, tenant, { sessionKey, generation, runId });
}

function coveredBy({ coversSessionId, coversThroughSeq }: Summary): Stretch {
  return { sessionId: coversSessionId, throughTurnId: "", afterSeq: coversThroughSeq };
}

/** The end of a session with the session itself: for a whole one, together with what other runs read. */
async function readStretch(
  deps: HistoryDeps,
  tenant: string,
  stretch: Stretch,
  maxChars: number,
): Promise<{ readonly said: readonly PlacedMessage[]; readonly seen: SeenSession | undefined }> {
  const { sessionId, throughTurnId } = stretch;
  if (throughTurnId !== "") {
    const [said, seen] = await Promise.all([
      readBack(deps, tenant, stretch, maxChars),
      readSession(deps.db, tenant, sessionId),
    ]);
    return { said, seen };
  }
  const limit = pageFor(maxChars);
  const { said: newest, seen, isMore } = await deps.steps.recent({ tenant, sessionId, limit });
  const said = placed(newest, sessionId);
  const left = maxChars - charsOf(said);
  if (!isMore || left <= 0) return { said, seen };
  const before = await readBack(deps, tenant, stretch, left, lastSeq(newest));
  return { said: [...said, ...before], seen };
}

/** As many as short messages may need, so that a small context reads little of a long transcript. */
function pageFor(maxChars: number): number {
  const most = Math.ceil(maxChars / LIMITS.charsPerShortMessage);
  return Math.min(LIMITS.transcriptPage, Math.max(LIMITS.smallTranscriptPage, most));
}

async function readBack(
  { db }: HistoryDeps,
  tenant: string,
  stretch: Stretch,
  maxChars: number,
  fromSeq: bigint = FROM_THE_END,
): Promise<PlacedMessage[]> {
  const said: PlacedMessage[] = [];
  let left = maxChars;
  for (let beforeSeq = fromSeq; left > 0; ) {
    const asked = { ...stretch, beforeSeq, limit: LIMITS.transcriptPage };
    const found = await readBackwards(db, tenant, asked);
    const page = placed(found.said, stretch.sessionId);
    said.push(...page);
    if (!found.isMore) break;
    left -= charsOf(page);
    beforeSeq = lastSeq(found.said);
  }
  return said;
}

function placed(said: readonly Said[], sessionId: string): PlacedMessage[] {
  return said.map(({ seq, message }) => ({ sessionId, seq, message }));
}

function lastSeq(newestFirst: readonly Said[]): bigint {
  return newestFirst.at(-1)?.seq ?? 0n;
}

function charsOf(said: readonly PlacedMessage[]): number {
  return said.reduce((sum, { message }) => sum + messageChars(message, LIMITS.charsPerFile), 0);
}
