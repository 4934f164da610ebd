import type { IdentityClient, RunnerClient } from "@lanekeeper/client";
import type { Clock, Log } from "@lanekeeper/service";
import type { AgentDirectory } from "./agents/agent-directory.ts";
import type { Entrance } from "./credentials/entrance.ts";
import type { BodyBudget } from "./http/read-body.ts";
import type { IngressLimits } from "./limits.ts";
import type { IngressMetrics } from "./metrics.ts";
import type { SettingsDirectory } from "./settings/directory.ts";
import type { UnsureSubmissions } from "./turns/unsure-submissions.ts";

/** What the doors of ingress work with. */
export interface IngressContext {
  readonly limits: IngressLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: IngressMetrics;
  readonly credentials: Entrance;
  readonly agents: AgentDirectory;
  readonly settings: SettingsDirectory;
  readonly identity: IdentityClient;
  readonly runner: RunnerClient;
  readonly bodyBudget: BodyBudget;
  readonly unsure: UnsureSubmissions;
  /** Aborted when the drain is over: whoever still waits is told to come again. */
  readonly lastCall: AbortSignal;
}
