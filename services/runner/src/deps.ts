import type { DeliveryClient, IdentityClient, RunIds } from "@lanekeeper/client";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { Clock, Ids, Log } from "@lanekeeper/service";
import type { Model } from "./models/model.ts";
import type { RunnerMetrics } from "./metrics.ts";
import type { RunnerDatabase } from "./store/sql.ts";
import type { ResentTurns } from "./store/admission/resent-turns.ts";
import type { TurnSteps } from "./store/runs/turn-steps.ts";
import type { Tool } from "./tools/tool.ts";
import type { ToolDeps } from "./tools/tool-deps.ts";

/** What the runner asks of session-identity. */
export type Identity = Pick<
  IdentityClient,
  | "resolveSession"
  | "beginRun"
  | "rotateSession"
  | "writeLifecycle"
  | "checkFence"
  | "getSession"
  | "listRotations"
  | "watchSessions"
  | "listErasuresToDo"
  | "reportErasure"
>;

/** What the runner asks of delivery. */
export type Delivery = Pick<
  DeliveryClient,
  "enqueueDelivery" | "registerRoute" | "listRoutes" | "listDeliveries" | "showProgress"
>;

/** What runs are made of. Tests put doubles in the place of any. */
export interface RunnerDeps {
  readonly db: RunnerDatabase;
  /** A share of `db`, for what callers ask: however many ask, and ask again, runs find connections to go on with. */
  readonly callersDb: RunnerDatabase;
  /** The writes of every turn, in groups; over `db`. */
  readonly steps: TurnSteps;
  /** Admissions that look at their lane; over `db`. */
  readonly resent: ResentTurns;
  readonly identity: Identity;
  readonly delivery: Delivery;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly runIds: RunIds;
  readonly log: Log;
  readonly metrics: RunnerMetrics;
  /** This process, as it stands in turns and runs. */
  readonly replica: string;
  readonly leaseMs: number;
  /** How long conversations are kept that are over; undefined: for ever. */
  readonly keepConversationsMs: number | undefined;
  readonly agents: AgentBehaviour;
}

/** How an agent's configuration becomes something that answers. */
export interface AgentBehaviour {
  model(agent: AgentConfig): Model;
  /** The name of that model. */
  modelName(agent: AgentConfig): string;
  /** Those of its configuration, as far as their servers can be reached; which cannot is logged. */
  tools(tenant: string, agent: AgentConfig, deps: ToolDeps, log: Log): Promise<readonly Tool[]>;
}
