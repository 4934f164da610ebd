import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { LanekeeperError } from "@lanekeeper/rpc";
import type { Begun } from "../store/activate.ts";
import { LIMITS } from "../limits.ts";
import type { AnswerJob } from "./answer.ts";
import type { Grant } from "./begin.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { takeSteers } from "../store/steer.ts";
import { readHistory } from "./history.ts";
import { persist } from "./persist.ts";
import type { Claimed } from "./run-turn.ts";
import type { Collaborators } from "./runner.ts";
import { learnSession } from "./session-parents.ts";
import { ToolSteps } from "./tool-steps.ts";
import { callFor } from "./turn-fields.ts";

export interface JobOptions {
  readonly claimed: Claimed;
  readonly grant: Grant;
  readonly begun: Begun;
  readonly heartbeat: Heartbeat;
}

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
      ...(ref === undefined ? {} : { session: ref }),
      runId: run.runId,
      discardPrevious: begun.ordinal > 1,
      model: model.name,
    },
  });
  await learnSession(deps, turn.tenant, grant.session, callFor(turn));
  const tokens = agent.contextTokenBudget || LIMITS.contextTokenBudget;
  const said = await readHistory(
    deps.db,
    turn.tenant,
    ref?.sessionId ?? "",
    tokens * LIMITS.charsPerToken,
  );
  const seeds = turn.seed.length > 0 && said.length === 0;
  return {
    turn,
    agent,
    model,
    tools: deps.agents.tools(agent, toolDeps),
    history: seeds ? turn.seed : said,
    seeds,
    steps: stepsOf(parts, options),
    steers: (when) => steersOf(parts, options, when),
    stream: stored.stream,
    signal: run.signal,
  };
}

/** A first run begins with none: who steers needs an active turn. */
async function steersOf(
  { deps }: Collaborators,
  { claimed, begun }: JobOptions,
  when: "first" | "later",
): Promise<Message[]> {
  const { turn, run } = claimed;
  if (when === "first" && begun.ordinal === 1) return [];
  const held = { ...turn, runId: run.runId };
  const which = when === "first" ? "all" : "unread";
  return persist(deps, "take steers", () => takeSteers(deps.db, held, which));
}

function stepsOf({ deps }: Collaborators, options: JobOptions): ToolSteps {
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
      traceparent: turn.traceparent,
      signal: run.signal,
    },
    stream: stored.stream,
    heartbeat,
    mayResume: begun.ordinal > 1,
  });
}
