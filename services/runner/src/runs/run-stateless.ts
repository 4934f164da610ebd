import { LanekeeperError } from "@lanekeeper/rpc";
import { type Ending, endingWithoutReply } from "../domain/ending.ts";
import { cancelledText } from "../domain/stop-text.ts";
import { storableText } from "../domain/storable-text.ts";
import { LIMITS } from "../limits.ts";
import { ModelError } from "../models/model-error.ts";
import { finishStateless } from "../store/runs/finish-stateless.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { AnswerJob } from "../answering/answer-job.ts";
import { Answering } from "../answering/answer.ts";
import { budgetOf } from "../answering/budget.ts";
import type { Claimed } from "./claimed.ts";
import { nestedTurnsOf } from "../nested/nested-budget.ts";
import { renewAll } from "../store/runs/renew.ts";
import { persist } from "../persist.ts";
import { abortCauseOf } from "./run-abort.ts";
import type { Collaborators } from "../collaborators.ts";
import { toolBounds } from "../answering/run-tool.ts";
import { ToolSteps } from "../answering/tool-steps.ts";
import { endedBy } from "../attaching/turn-ended.ts";
import { inTurnSpan, tracedParts } from "../turn-fields.ts";

type StatelessRun = Claimed<StoredTurn>;

const NO_SESSION = { sessionId: "", generation: 0n };

/** The one run of a turn without a session: no key, no fence, no lane; its row is its lease. */
export function runStateless(parts: Collaborators, stateless: StatelessRun): Promise<void> {
  const { turn, run } = stateless;
  const traced = tracedParts(parts, turn);
  return inTurnSpan("runner.run", turn, run.runId, () => serve(traced, stateless));
}

async function serve(parts: Collaborators, stateless: StatelessRun): Promise<void> {
  const { deps } = parts;
  const { turn, run, stored } = stateless;
  const startedMs = deps.clock.monotonicMs();
  const stopRenewing = keepRenewing(parts, stateless);
  try {
    const ending = await endingOf(parts, stateless);
    await stored.settle();
    const seq = stored.stream.nextSeq;
    const chunk = stored.stream.takePending();
    const finished = await persist(deps, "finish a turn", () =>
      finishStateless(deps.db, { ...turn, runId: run.runId }, ending, seq, chunk),
    );
    // Its process was taken for dead, and the turn has failed. What the row says is told.
    if (finished === undefined) return;
    const seen = { runId: run.runId, ...NO_SESSION };
    stored.stream.end({ case: "ended", value: endedBy(turn, seen, ending) });
    const ms = deps.clock.monotonicMs() - startedMs;
    deps.metrics.ended(ending.state, ending.errorReason);
    deps.metrics.ran(ending.state, ms / 1_000);
    run.log.info(
      { state: ending.state, reason: ending.errorReason, duration_ms: Math.round(ms) },
      "run ended",
    );
  } finally {
    stopRenewing();
  }
}

async function endingOf(parts: Collaborators, stateless: StatelessRun): Promise<Ending> {
  const { run } = stateless;
  const keep = { keepsInput: false, seeds: false };
  try {
    return await new Answering(await jobOf(parts, stateless)).next();
  } catch (error) {
    const cause = abortCauseOf(run.signal);
    if (cause?.kind === "stopped") {
      const message = cancelledText(cause.note);
      return endingWithoutReply("CANCELLED", { reason: "TURN_CANCELLED", message }, keep);
    }
    if (cause !== undefined) {
      const message = "the replica is shutting down; a turn without a session is not taken over";
      return endingWithoutReply("FAILED", { reason: "DRAINING", message }, keep);
    }
    if (error instanceof ModelError) {
      const message = storableText(error.message);
      return endingWithoutReply("FAILED", { reason: error.reason, message }, keep);
    }
    run.log.error({ err: error }, "a run failed of itself");
    const message = "internal error; the log tells more under the turn's id";
    return endingWithoutReply("FAILED", { reason: "INTERNAL", message }, keep);
  }
}

async function jobOf(
  parts: Collaborators,
  { turn, run, stored }: StatelessRun,
): Promise<AnswerJob> {
  const { deps, agents, toolDeps } = parts;
  const agent = await agents.any(turn.tenant, turn.agentId);
  if (agent === undefined) throw new LanekeeperError("INTERNAL", `agent ${turn.agentId} is gone`);
  const model = deps.agents.model(agent);
  const value = { runId: run.runId, discardPrevious: false, model: model.name };
  stored.stream.emit({ case: "runBegun", value });
  const { tenant, principal, agentId, turnId, callChain, traceparent } = turn;
  const { runId, signal } = run;
  const contextUse = { usedTokens: 0, budgetTokens: budgetOf(agent).tokens };
  const context = {
    tenant,
    principal,
    agentId,
    session: undefined,
    turnId,
    runId,
    callChain,
    rootTurnId: turnId,
    nestedTurnsPerRequest: nestedTurnsOf(agent),
    traceparent,
    contextUse,
    signal,
  };
  const { stream } = stored;
  const steps = new ToolSteps({
    deps,
    context,
    stream,
    heartbeat: undefined,
    mayResume: false,
    limits: toolBounds(agent),
  });
  const tools = await deps.agents.tools(turn.tenant, agent, toolDeps, deps.log);
  return {
    turn,
    agent,
    model,
    tools,
    history: [],
    summary: "",
    pinned: [],
    contextUse,
    spent: { inputTokens: 0, outputTokens: 0 },
    seeds: false,
    steps,
    steers: async () => [],
    stream,
    signal,
  };
}

/** Nobody takes the turn over, but a sweeper fails it once its row is older than a lease. */
function keepRenewing({ deps, runs }: Collaborators, { run }: StatelessRun): () => void {
  const everyMs = deps.leaseMs / LIMITS.heartbeatsPerLease;
  let timer = deps.clock.setTimer(everyMs, beat);
  let isOver = false;
  function beat(): void {
    // In a statement of its own: the row is its lease, and waits for no other turn's.
    renewAll(deps.db, [run])
      .then(([holds]) => {
        if (!holds) runs.abort(run.runId, { kind: "lost" });
      })
      .catch((err: unknown) => run.log.warn({ err }, "the turn's lease could not be renewed"))
      .finally(() => {
        if (!isOver) timer = deps.clock.setTimer(everyMs, beat);
      });
  }
  return () => {
    isOver = true;
    timer.cancel();
  };
}
