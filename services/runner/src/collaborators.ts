import type { AbsorbedSessions } from "./answering/absorbed.ts";
import type { ToolDeps } from "./tools/tool-deps.ts";
import type { Agents } from "./agents.ts";
import type { RunnerDeps } from "./deps.ts";
import type { LocalRuns } from "./runs/local-runs.ts";
import type { RunSlots } from "./lanes/run-slots.ts";
import type { Relay } from "./outbox/relay.ts";
import type { StreamHub } from "./attaching/stream-hub.ts";

/** What a run works with. */
export interface Collaborators {
  readonly deps: RunnerDeps;
  readonly runs: LocalRuns;
  readonly hub: StreamHub;
  readonly agents: Agents;
  readonly relay: Pick<Relay, "kick">;
  readonly toolDeps: ToolDeps;
  readonly slots: RunSlots;
  readonly absorbed: AbsorbedSessions;
}
