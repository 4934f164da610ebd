import { Overflow } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { accept } from "./rpc/accept.ts";
import { Agents } from "./agents.ts";
import { Attachments } from "./attaching/attachments.ts";
import type { RunnerDeps } from "./deps.ts";
import { LanePositions } from "./attaching/lane-positions.ts";
import { LocalRuns } from "./runs/local-runs.ts";
import { submitNested } from "./nested/nested-send.ts";
import { memoryOf } from "./answering/memory.ts";
import { Relay } from "./outbox/relay.ts";
import type { Collaborators } from "./collaborators.ts";
import { Runner } from "./lanes/runner.ts";
import { spawn } from "./nested/spawn.ts";
import { RunSlots } from "./lanes/run-slots.ts";
import { StreamHub } from "./attaching/stream-hub.ts";
import { Sweeper } from "./recovery/sweeper.ts";
import { Tail } from "./attaching/tail.ts";
import { tellChildren, tellUndelivered } from "./nested/tell-children.ts";
import { AbsorbedSessions } from "./answering/absorbed.ts";
import { appendingMerged } from "./recovery/append-merged.ts";
import { Errands } from "./recovery/errands.ts";
import { learningRestored } from "./recovery/learn-restored.ts";
import { RotatedBehind } from "./recovery/rotated-behind.ts";
import { type OnRotated, watchRotations } from "./runs/rotations.ts";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import type { NewLaneTurn } from "./store/admission/new-turn.ts";
import { tracedParts } from "./turn-fields.ts";
import { LaneFeed } from "./watch/lane-feed.ts";
import type { RunnerContext } from "./context.ts";

/** Puts the parts together; nothing runs yet. */
export function createContext(deps: RunnerDeps): RunnerContext {
  const forCallers: RunnerDeps = { ...deps, db: deps.callersDb };
  const runs = new LocalRuns((count) => deps.metrics.running(count));
  const hub = new StreamHub(deps);
  const agents = new Agents(deps.db, deps.clock);
  const relay = new Relay(deps);
  const pump = (tenant: string, sessionKey: string): void => runner.pump(tenant, sessionKey, false);
  const followParts = {
    deps: forCallers,
    hub,
    tail: new Tail(forCallers),
    positions: new LanePositions(forCallers),
    onFreeLane: (tenant: string, sessionKey: string) => runner.sawFree(tenant, sessionKey),
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
    sendToSession: (message: Parameters<typeof submitNested>[1]) =>
      submitNested(tracedParts(nested, message.from), message),
    spawn: (task: Parameters<typeof spawn>[1]) => spawn(tracedParts(nested, task.from), task),
    memory: memoryOf(deps),
  };
  const slots = new RunSlots(deps, agents);
  const absorbed = new AbsorbedSessions(deps);
  const parts: Collaborators = { deps, runs, hub, agents, relay, toolDeps, slots, absorbed };
  const runner = new Runner(parts);
  const sweeper = new Sweeper({
    parts,
    runner,
    relay,
    tellChildren: () => tellChildren(context),
    tellUndelivered: () => tellUndelivered(context),
  });
  const cancelParts = { deps: forCallers, runs, onFreed: pump };
  const attachments = new Attachments();
  const context: RunnerContext = {
    deps: forCallers,
    runner,
    runs,
    agents,
    attachments,
    followParts,
    cancelParts,
    sweeper,
    relay,
    slots,
    absorbed,
    laneFeed: new LaneFeed(forCallers),
  };
  return context;
}

/** A nested send runs where it was sent, if its lane is free. */
async function submitHere(context: RunnerContext, turn: NewLaneTurn): Promise<string> {
  return (await accept(context, { ...turn, overflow: Overflow.REJECT_NEW }, false)).turn.turnId;
}

/** Sweeps and watches until the signal; resolves when both have stopped. */
export async function runBackground(context: RunnerContext, signal: AbortSignal): Promise<void> {
  const { deps, runs, runner, attachments, sweeper, relay, absorbed } = context;
  sweeper.start();
  const behind = new RotatedBehind(deps, runner.takeovers, attachments);
  const errands = new Errands(deps);
  const learnRestored = learningRestored(deps, errands);
  const onRotated: OnRotated = (tenant, session) => {
    behind.onRotated(tenant, session);
    learnRestored(tenant, session);
  };
  const onMerged = appendingMerged(deps, absorbed, errands);
  await watchRotations(deps, runs, { onRotated, onMerged }, signal);
  await behind.stop();
  await errands.stop();
  await sweeper.stop();
  await relay.stop();
}
