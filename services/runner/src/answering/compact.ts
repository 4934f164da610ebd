import {
  type Fence,
  PendingReplies,
  QueuedTurns,
  RotationReason,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { hasReason, isRetryable } from "@lanekeeper/rpc";
import { backoffMs } from "@lanekeeper/service";
import {
  compactionNote,
  keptVerbatim,
  SUMMARY_FRAME_CHARS,
  summaryRequest,
} from "../domain/compaction.ts";
import { textMessage } from "../domain/context.ts";
import { textOf } from "../domain/message-text.ts";
import { storableText } from "../domain/storable-text.ts";
import { LIMITS } from "../limits.ts";
import { ModelError } from "../models/model-error.ts";
import type { Model } from "../models/model.ts";
import { adoptGeneration } from "../store/runs/adopt-generation.ts";
import { seeSession } from "../store/answering/sessions.ts";
import { storeSummary } from "../store/answering/summaries.ts";
import { callModel } from "./call-model.ts";
import type { History } from "./history.ts";
import type { JobOptions } from "./job-options.ts";
import { persist } from "../persist.ts";
import { type AbortCause, RunAborted } from "../runs/run-abort.ts";
import type { Collaborators } from "../collaborators.ts";
import { callFor } from "../turn-fields.ts";

const BACKOFF = { baseMs: 50, maxMs: 2_000 };

interface CompactionParts extends JobOptions {
  readonly parts: Collaborators;
  readonly model: Model;
  /** Of the context's budget, in characters. */
  readonly budgetChars: number;
}

/** What came of a compaction, for the run that goes on. */
export interface Compacted {
  readonly history: History;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * Replaces older history by a summary, as the owner of the key: the summary is stored for the next
 * generation under this run, then the run makes that generation, and goes on in it. Killed in between,
 * the next run finds either the old generation whole, or the new one with the summary that made it.
 * Undefined: there is none to be had, or nothing to summarize, and the run goes on with what its budget holds.
 * @throws the reason of the run's signal, which a lost key aborts.
 */
export async function compact(
  options: CompactionParts,
  history: History,
): Promise<Compacted | undefined> {
  const { parts, claimed, grant, heartbeat } = options;
  const { run } = claimed;
  const session = grant.fence.session;
  if (session === undefined) return undefined;
  const kept = keptOf(history, session.sessionId, options.budgetChars);
  // All of it stays as it was said: a summary of nothing would stand for it.
  if (kept.length === history.said.length) return undefined;
  heartbeat.phase = "compaction";
  const summarized = await summarize(options, history, history.said.length - kept.length);
  heartbeat.phase = "model";
  if (summarized === undefined) return undefined;
  const coversThroughSeq = throughSeq(history, kept.length, session.sessionId);
  const summary = { body: summarized.text, coversSessionId: session.sessionId, coversThroughSeq };
  const next = { ...run, ...session, generation: session.generation + 1n };
  const isHeld = await persist(parts.deps, "store a summary", () =>
    storeSummary(parts.deps.db, next, summary),
  );
  if (!isHeld) throw stop(options, { kind: "lost" });
  const fence = await rotate(options, grant.fence);
  if (fence === undefined) return undefined;
  await adopt(options, fence, session.sessionId);
  parts.deps.metrics.compacted();
  run.log.info({ generation: fence.session?.generation }, "the session was compacted");
  const { inputTokens, outputTokens } = summarized;
  return { history: { summary: summary.body, said: kept }, inputTokens, outputTokens };
}

/** What stays as it was said: of this session alone, whose places a summary can name. */
function keptOf({ said }: History, sessionId: string, budgetChars: number): History["said"] {
  const own = said.filter((one) => one.sessionId === sessionId);
  return keptVerbatim(own, budgetChars * LIMITS.keptVerbatimShare, LIMITS.charsPerFile);
}

function throughSeq({ said }: History, keptCount: number, sessionId: string): bigint {
  const last = said.at(said.length - keptCount - 1);
  return last?.sessionId === sessionId ? last.seq : 0n;
}

async function summarize(
  { model, claimed, budgetChars }: CompactionParts,
  { summary, said }: History,
  count: number,
): Promise<
  { readonly text: string; readonly inputTokens: number; readonly outputTokens: number } | undefined
> {
  const { turn, run } = claimed;
  const older = said.slice(0, count).map(({ message }) => message);
  const maxChars = budgetChars * (1 - LIMITS.summaryShare) - SUMMARY_FRAME_CHARS;
  if (maxChars <= summary.length) return undefined;
  const { instruction, text } = summaryRequest(summary, older, Math.floor(maxChars));
  const messages = [textMessage(Role.SYSTEM, instruction), textMessage(Role.USER, text)];
  const stream = { emit: () => undefined };
  const asked = { model, tools: [], turn: { ...turn, parameters: {} }, stream, signal: run.signal };
  try {
    const reply = await callModel(asked, messages, 0);
    const body = storableText(textOf(reply.message)).slice(
      0,
      Math.floor(budgetChars * LIMITS.summaryShare),
    );
    if (body.trim() === "") throw new ModelError("MODEL_FAILED", "the summary is empty");
    return { ...reply, text: body };
  } catch (err) {
    run.signal.throwIfAborted();
    run.log.warn({ err }, "no summary was to be had; the session is not compacted");
    return undefined;
  }
}

/** Until it is answered: whether the key was rotated has to be known. */
async function rotate(options: CompactionParts, owner: Fence): Promise<Fence | undefined> {
  const { deps } = options.parts;
  const { turn, run } = options.claimed;
  const request = {
    requestId: `compaction/${run.runId}`,
    sessionKey: turn.sessionKey,
    reason: RotationReason.COMPACTION,
    precondition: { case: "owner" as const, value: owner },
    queuedTurns: QueuedTurns.CARRY,
    pendingReplies: PendingReplies.DELIVER,
    note: compactionNote(run.runId),
  };
  for (let attempt = 0; ; attempt++) {
    try {
      return (await deps.identity.rotateSession(request, callFor(turn))).fence;
    } catch (error) {
      const cause = causeOf(error);
      if (cause !== undefined) throw stop(options, cause);
      run.signal.throwIfAborted();
      if (!isRetryable(error)) {
        run.log.error({ err: error }, "the session could not be compacted");
        return undefined;
      }
      run.log.warn({ err: error }, "the session was not rotated; trying again");
    }
    await deps.clock.sleep(backoffMs(attempt, BACKOFF) + 1, run.signal);
  }
}

function causeOf(error: unknown): AbortCause | undefined {
  if (hasReason(error, "STALE_GENERATION")) return { kind: "superseded" };
  if (hasReason(error, "TAKEN_OVER", "RUN_ENDED")) return { kind: "lost" };
  return hasReason(error, "KEY_MOVED") ? { kind: "moved" } : undefined;
}

/** The turn, its run and the chain of sessions tell of the new generation from here on. */
async function adopt(options: CompactionParts, fence: Fence, parentId: string): Promise<void> {
  const { parts, claimed, grant } = options;
  const { turn, run } = claimed;
  const session = fence.session;
  if (session === undefined) return;
  grant.fence = fence;
  run.generation = session.generation;
  const adopted = await persist(parts.deps, "adopt a generation", () =>
    parts.deps.db.transaction(async (sql) => {
      await seeSession(sql, turn.tenant, {
        ...session,
        parentSessionId: parentId,
        parentThroughTurnId: "",
        compactedByRunId: run.runId,
      });
      return adoptGeneration(sql, run, session);
    }),
  );
  if (!adopted) throw stop(options, { kind: "lost" });
}

function stop({ parts, claimed }: CompactionParts, cause: AbortCause): unknown {
  parts.runs.abort(claimed.run.runId, cause);
  return new RunAborted(cause);
}
