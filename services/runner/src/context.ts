import type { AbsorbedSessions } from "./answering/absorbed.ts";
import type { Agents } from "./agents.ts";
import type { Attachments } from "./attaching/attachments.ts";
import type { CancelParts } from "./lanes/cancel.ts";
import type { RunnerDeps } from "./deps.ts";
import type { FollowParts } from "./attaching/follow.ts";
import type { LocalRuns } from "./runs/local-runs.ts";
import type { Relay } from "./outbox/relay.ts";
import type { Runner } from "./lanes/runner.ts";
import type { RunSlots } from "./lanes/run-slots.ts";
import type { Sweeper } from "./recovery/sweeper.ts";
import type { LaneFeed } from "./watch/lane-feed.ts";

/** What handlers work with. */
export interface RunnerContext {
  /** Of callers: their share of the database. What runs has its own. */
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
  readonly absorbed: AbsorbedSessions;
  readonly laneFeed: LaneFeed;
}
