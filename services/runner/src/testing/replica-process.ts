import { create } from "@bufbuild/protobuf";
import { createIdentityClient, RunIds } from "@lanekeeper/client";
import { createDatabase } from "@lanekeeper/postgres";
import { EnqueueDeliveryResponseSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { serviceCredential } from "@lanekeeper/rpc";
import { createMetrics, Secret, systemClock, systemIds } from "@lanekeeper/service";
import { captureLog, testSettings } from "@lanekeeper/service/testing";
import { textOf } from "../domain/message-text.ts";
import { runnerMetrics } from "../metrics.ts";
import type { Model } from "../models/model.ts";
import { serveRunner } from "../serve.ts";
import type { RunnerDatabase } from "../store/sql.ts";
import { LIMITS } from "../limits.ts";
import { shareOf } from "../store/share.ts";
import { ResentTurns } from "../store/admission/resent-turns.ts";
import { TurnSteps } from "../store/runs/turn-steps.ts";
import { toolsFor } from "../tools/registry.ts";
import { Arm, armedDatabase, armedIdentity } from "./arm.ts";

/** What the parent says first. */
export interface ReplicaOrder {
  readonly databaseUrl: string;
  readonly schema: string;
  readonly identityTarget: string;
  readonly secret: string;
  readonly leaseMs: number;
  /** As `Arm` says. */
  readonly at: string;
  /** What then happens to the process; a stopped one goes on with SIGCONT. */
  readonly signal: "SIGKILL" | "SIGSTOP";
}

/** What the parent is told. */
export type ReplicaNews =
  | { readonly kind: "serving"; readonly port: number }
  | { readonly kind: "asked"; readonly text: string }
  | { readonly kind: "delivered"; readonly turnId: string };

/**
 * A replica of the runner in a process of its own, for tests that end or stop it at a given point. Its
 * model repeats what it is told; told "hold", it does so once the parent says "go".
 */
process.once("message", (order: ReplicaOrder) => {
  serve(order).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.on("disconnect", () => process.exit());

function tell(news: ReplicaNews): void {
  process.send?.(news);
}

async function serve(order: ReplicaOrder): Promise<void> {
  const { secret } = order;
  const arm = new Arm(order.at, () => {
    process.kill(process.pid, order.signal);
  });
  const credential = serviceCredential("runner", secret);
  const identity = createIdentityClient({ target: order.identityTarget, credential });
  const log = captureLog();
  const db = armedDatabase(databaseOf(order), arm);
  const deps = {
    db,
    callersDb: shareOf(db, 3, LIMITS.callersWaitMs),
    steps: new TurnSteps(db),
    resent: new ResentTurns(db),
    identity: armedIdentity(identity, arm),
    delivery: {
      enqueueDelivery: async ({ turnId = "" }) => {
        tell({ kind: "delivered", turnId });
        return create(EnqueueDeliveryResponseSchema, { deliveryId: turnId });
      },
      registerRoute: () => Promise.reject(new Error("no routes here")),
      listRoutes: () => Promise.reject(new Error("no routes here")),
      listDeliveries: () => Promise.reject(new Error("no routes here")),
      showProgress: () => Promise.reject(new Error("no routes here")),
    },
    clock: systemClock,
    ids: systemIds,
    runIds: new RunIds(() => systemIds.uuid()),
    log: log.log,
    metrics: runnerMetrics(createMetrics("runner", { ofProcess: false })),
    replica: `process-${process.pid}`,
    leaseMs: order.leaseMs,
    keepConversationsMs: undefined,
    agents: {
      model: () => model,
      modelName: () => model.name,
      tools: async (_tenant: string, agent: never, tools: never) => toolsFor(agent, tools),
    },
  };
  const running = await serveRunner({
    service: { settings: testSettings(), log: log.log },
    deps,
    config: {
      grpc: { host: "127.0.0.1", port: 0, variable: "LANEKEEPER_RUNNER_PORT" },
      clusterSecret: new Secret(secret),
    },
    hooks: {},
  });
  tell({ kind: "serving", port: running.grpcPort });
}

function databaseOf({ databaseUrl: url, schema }: ReplicaOrder): RunnerDatabase {
  const applicationName = "test replica";
  return createDatabase<unknown>({
    url,
    schema,
    poolSize: 4,
    applicationName,
    log: () => undefined,
  });
}

const model: Model = {
  name: "process",
  async *stream({ messages, signal }) {
    const last = messages.at(-1);
    const text = last === undefined ? "" : textOf(last);
    tell({ kind: "asked", text });
    yield { type: "text", text: "echo: " };
    if (text.startsWith("hold")) await untilGo(signal);
    yield { type: "text", text };
    yield { type: "end", finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "process" };
  },
};

function untilGo(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    process.on("message", (message) => {
      if (message === "go") resolve();
    });
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
