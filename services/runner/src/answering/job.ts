import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { LanekeeperError } from "@lanekeeper/rpc";
import { isFull } from "../domain/compaction.ts";
import { charsOf, fixedChars } from "../domain/context.ts";
import { promptOf } from "../domain/prompt.ts";
import { LIMITS } from "../limits.ts";
import type { Model } from "../models/model.ts";
import type { ContextUse } from "../tools/tool.ts";
import type { AnswerJob } from "./answer-job.ts";
import type { Grant } from "../runs/grant.ts";
import { readSteers, type Steer, takeSteers } from "../store/answering/steer.ts";
import { budgetOf } from "./budget.ts";
import { compact } from "./compact.ts";
import { gather } from "./gather.ts";
import { type History, readHistory } from "./history.ts";
import { pinnedBy } from "./memory.ts";
import { nestedTurnsOf } from "../nested/nested-budget.ts";
import { persist } from "../persist.ts";
import type { Claimed } from "../runs/claimed.ts";
import type { Collaborators } from "../collaborators.ts";
import { learnSession } from "./session-parents.ts";
import { toolBounds } from "./run-tool.ts";
import { ToolSteps } from "./tool-steps.ts";
import { callFor } from "../turn-fields.ts";
import type { JobOptions } from "./job-options.ts";

/** Gathers what a run needs to answer, and tells its callers that it has begun. */
export async function jobFor(parts: Collaborators, options: JobOptions): Promise<AnswerJob> {
  const { deps, agents, toolDeps } = parts;
  const { turn, run, stored } = options.claimed;
  const { grant, begun } = options;
  run.signal.throwIfAborted();
  const agent = await agents.any(turn.tenant, turn.agentId);
  if (agent === undefined) throw new LanekeeperError("INTERNAL", `agent ${turn.agentId} is gone`);
  const model = deps.agents.model(agent);
  const ref = grant.fence.session;
  stored.stream.emit({
    case: "runBegun",
    value: {
      runId: run.runId,
      discardPrevious: begun.ordinal > 1,
      model: model.name,
      ...(ref === undefined ? {} : { session: ref }),
    },
  });
  await learnSession(deps, turn.tenant, grant.session, callFor(turn));
  await parts.absorbed.append(turn.tenant, grant.session, callFor(turn));
  const tools = await deps.agents.tools(turn.tenant, agent, toolDeps, deps.log);
  const before = await beforeTurn(parts, options, agent, model);
  const isLate = before.isCompacted || agent.mcpServers.length > 0;
  return {
    turn,
    agent,
    model,
    history: before.history,
    summary: before.summary,
    pinned: before.pinned,
    seeds: before.seeds,
    spent: before.spent,
    contextUse: before.contextUse,
    tools,
    steps: stepsOf(parts, options, agent, before.contextUse),
    steers: steersFor(parts, options, isLate),
    stream: stored.stream,
    signal: run.signal,
  };
}

type Before = Pick<
  AnswerJob,
  "history" | "summary" | "pinned" | "seeds" | "spent" | "contextUse"
> & {
  /** A model was asked for a summary, whatever came of it. */
  readonly isCompacted: boolean;
};

/** What was said before the turn; where it fills the context, compacted first. */
async function beforeTurn(
  parts: Collaborators,
  options: JobOptions,
  agent: AgentConfig,
  model: Model,
): Promise<Before> {
  const { deps } = parts;
  const { turn } = options.claimed;
  const budget = budgetOf(agent);
  const budgetChars = budget.tokens * budget.charsPerToken;
  const sessionId = options.grant.fence.session?.sessionId ?? "";
  const read = () => readHistory(deps, turn.tenant, sessionId, budgetChars);
  const [found, pinned] = await Promise.all([
    options.early?.then((history) => history ?? read()) ?? read(),
    pinnedBy(deps, turn.tenant, agent),
  ]);
  const seeds = turn.seed.length > 0 && found.said.length === 0 && found.summary === "";
  const systemPrompt = promptOf(agent, turn);
  const fixed = fixedChars(
    { systemPrompt, pinned, summary: found.summary, input: turn.input },
    budget,
  );
  const sizes = { budget: budgetChars, fixed, history: charsOf(messagesOf(found), budget) };
  const isDue = agent.compaction?.off !== true && isFull(sizes, atPercentOf(agent));
  const compacted = isDue
    ? await compact({ ...options, parts, model, budgetChars }, found)
    : undefined;
  const history = compacted?.history ?? found;
  return {
    history: seeds ? turn.seed : messagesOf(history),
    summary: history.summary,
    pinned,
    seeds,
    spent: compacted ?? { inputTokens: 0, outputTokens: 0 },
    contextUse: { usedTokens: 0, budgetTokens: budget.tokens },
    isCompacted: isDue,
  };
}

/**
 * Reads a granted session's history before the turn is known to be the run's: nothing is decided by it,
 * and the round trip is that of activation. What fails is read again, and fails there.
 */
export async function readEarly(
  { deps, agents, absorbed }: Collaborators,
  { turn }: Claimed,
  { fence, session }: Grant,
): Promise<History | undefined> {
  // Parents may have to be learnt first.
  if (session?.parentSessionId !== "" || absorbed.isDue(turn.tenant, session)) return undefined;
  try {
    const agent = await agents.any(turn.tenant, turn.agentId);
    if (agent === undefined) return undefined;
    const { tokens, charsPerToken } = budgetOf(agent);
    const sessionId = fence.session?.sessionId ?? "";
    return await readHistory(deps, turn.tenant, sessionId, tokens * charsPerToken);
  } catch {
    return undefined;
  }
}

function messagesOf({ said }: Pick<History, "said">): Message[] {
  return said.map(({ message }) => message);
}

function atPercentOf({ compaction }: AgentConfig): number {
  return compaction?.atPercent || LIMITS.compactAtPercent;
}

/**
 * The messages that a model is to be shown next. A first run that is asked at once has none but those of its
 * group, since who steers needs an active turn, and spends no statement on them. One that was handed to the
 * turn at this replica is known here; at another it has the time where the model is asked late, after servers
 * of tools were connected or a summary was made.
 */
function steersFor(
  { deps }: Collaborators,
  { claimed, begun }: JobOptions,
  isLate: boolean,
): AnswerJob["steers"] {
  const { turn, run } = claimed;
  const held = { ...turn, runId: run.runId };
  const known: string[] = [];
  const shown = async (what: string, read: () => Promise<Steer[]>): Promise<readonly Steer[]> => {
    const steers = await persist(deps, what, read);
    known.push(...steers.map(({ turnId }) => turnId));
    return steers;
  };
  return async (when, lastStep) => {
    if (when === "read") {
      if (begun.ordinal === 1) return [];
      return shown("read steers", () => readSteers(deps.db, held));
    }
    if (when === "first") await gather(deps, claimed);
    const mayHave = isLate || run.isSteered || begun.ordinal > 1 || turn.origin.groupId !== "";
    if (when === "first" && !mayHave) return [];
    return shown("take steers", () => takeSteers(deps.db, held, lastStep, known));
  };
}

function stepsOf(
  { deps }: Collaborators,
  options: JobOptions,
  agent: AgentConfig,
  contextUse: ContextUse,
): ToolSteps {
  const { claimed, grant, begun, heartbeat } = options;
  const { turn, run, stored } = claimed;
  const session = grant.fence.session;
  return new ToolSteps({
    deps,
    context: {
      tenant: turn.tenant,
      principal: turn.principal,
      agentId: turn.agentId,
      session,
      turnId: turn.turnId,
      runId: run.runId,
      callChain: [...turn.callChain, turn.sessionKey],
      rootTurnId: turn.rootTurnId ?? turn.turnId,
      nestedTurnsPerRequest: nestedTurnsOf(agent),
      traceparent: turn.traceparent,
      contextUse,
      signal: run.signal,
    },
    stream: stored.stream,
    heartbeat,
    mayResume: begun.ordinal > 1,
    limits: toolBounds(agent),
  });
}
