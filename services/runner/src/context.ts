import { Overflow } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { modelFor, modelNameOf } from "./models/registry.ts";
import type { McpPool } from "./mcp/mcp-pool.ts";
import { mcpTools } from "./mcp/mcp-tools.ts";
import { toolsFor } from "./tools/registry.ts";
import { accept } from "./rpc/accept.ts";
import { Agents } from "./agents.ts";
import { Attachments } from "./attaching/attachments.ts";
import type { CancelParts } from "./lanes/cancel.ts";
import type { AgentBehaviour, RunnerDeps } from "./deps.ts";
import type { FollowParts } from "./attaching/follow.ts";
import { LanePositions } from "./attaching/lane-positions.ts";
import { LocalRuns } from "./runs/local-runs.ts";
import { submitNested } from "./nested/nested-send.ts";
import { memoryOf } from "./answering/memory.ts";
import { Relay } from "./outbox/relay.ts";
import { type Collaborators, Runner } from "./lanes/runner.ts";
import { spawn } from "./nested/spawn.ts";
import { RunSlots } from "./lanes/run-slots.ts";
import { StreamHub } from "./attaching/stream-hub.ts";
import { Sweeper } from "./recovery/sweeper.ts";
import { Tail } from "./attaching/tail.ts";
import { tellChildren } from "./nested/tell-children.ts";
import { endRotatedBehind } from "./recovery/rotated-behind.ts";
import { watchRotations } from "./runs/rotations.ts";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import type { NewLaneTurn } from "./store/new-turn.ts";
import { LaneFeed } from "./watch/lane-feed.ts";

/** What handlers work with. */
export interface RunnerContext {
  readonly deps: RunnerDeps;
  readonly runner: Runner;
  readonly runs: LocalRuns;
  readonly agents: Agents;
  readonly attachments: Attachments;
  readonly followParts: FollowParts;
  readonly cancelParts: CancelParts;
  readonly sweeper: Sweeper;
  readonly relay: Relay;
  readonly slots: RunSlots;
  readonly laneFeed: LaneFeed;
}

/** Puts the parts together; nothing runs yet. */
export function createContext(deps: RunnerDeps): RunnerContext {
  const runs = new LocalRuns((count) => deps.metrics.running(count));
  const hub = new StreamHub(deps);
  const agents = new Agents(deps.db, deps.clock);
  const relay = new Relay(deps);
  const pump = (tenant: string, sessionKey: string): void => runner.pump(tenant, sessionKey, false);
  const followParts = {
    deps,
    hub,
    tail: new Tail(deps),
    positions: new LanePositions(deps),
    onFreeLane: pump,
    busyHintMs: async (tenant: string, sessionKey: string) => {
      const agent = await agents.any(tenant, agentOf(sessionKey as CanonicalKey));
      return agent?.busyHintAfter && durationMs(agent.busyHintAfter);
    },
  };
  const nested = {
    deps,
    runs,
    followParts,
    submit: (turn: NewLaneTurn) => submitHere(context, turn),
  };
  const toolDeps = {
    sendToSession: (message: Parameters<typeof submitNested>[1]) => submitNested(nested, message),
    spawn: (task: Parameters<typeof spawn>[1]) => spawn(nested, task),
    memory: memoryOf(deps),
  };
  const slots = new RunSlots(deps, agents);
  const parts: Collaborators = { deps, runs, hub, agents, relay, toolDeps, slots };
  const runner = new Runner(parts);
  const sweeper = new Sweeper({ parts, runner, relay, tellChildren: () => tellChildren(context) });
  const cancelParts = { deps, runs, onFreed: pump };
  const attachments = new Attachments();
  const context: RunnerContext = {
    deps,
    runner,
    runs,
    agents,
    attachments,
    followParts,
    cancelParts,
    sweeper,
    relay,
    slots,
    laneFeed: new LaneFeed(deps),
  };
  return context;
}

/** A nested send runs where it was sent, if its lane is free. */
async function submitHere(context: RunnerContext, turn: NewLaneTurn): Promise<string> {
  return (await accept(context, { ...turn, overflow: Overflow.REJECT_NEW }, false)).turn.turnId;
}

/** Sweeps and watches until the signal; resolves when both have stopped. */
export async function runBackground(context: RunnerContext, signal: AbortSignal): Promise<void> {
  const { deps, runs, runner, attachments, sweeper, relay } = context;
  sweeper.start();
  const onRotated = endRotatedBehind(deps, runner, attachments);
  await watchRotations(deps, runs, onRotated, signal);
  await sweeper.stop();
  await relay.stop();
}

/** Agents that answer by the model and the tools of their configuration. */
export function configuredAgents(
  env: Readonly<Record<string, string | undefined>>,
  mcp: McpPool,
): AgentBehaviour {
  return {
    model: (agent) => modelFor(agent, env),
    modelName: modelNameOf,
    tools: async (tenant, agent, deps) => {
      const builtIn = toolsFor(agent, deps);
      if (agent.mcpServers.length === 0) return builtIn;
      return [...builtIn, ...(await mcpTools(mcp, tenant, agent))];
    },
  };
}
