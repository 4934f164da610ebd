import { type GrpcServer, type RpcHooks, serveGrpc, serviceAuthenticator } from "@lanekeeper/rpc";
import {
  Disposal,
  explainBusyPort,
  finishWithin,
  notReady,
  READY,
  type Readiness,
  type RunningService,
  type ServiceContext,
} from "@lanekeeper/service";
import type { RunnerConfig } from "./config.ts";
import type { RunnerContext } from "./context.ts";
import { createContext, runBackground } from "./create-context.ts";
import { LIMITS } from "./limits.ts";
import { runnerBinding } from "./rpc/routes.ts";
import type { RunnerDeps } from "./deps.ts";
import type { Sql } from "./store/sql.ts";

/** What the runner stands on. */
export interface RunnerParts {
  readonly service: Pick<ServiceContext, "settings" | "log">;
  readonly config: Pick<RunnerConfig, "grpc" | "clusterSecret"> &
    Partial<Pick<RunnerConfig, "tls">>;
  readonly deps: RunnerDeps;
  readonly hooks: RpcHooks;
}

/** The runner with its port open and its sweepers at work. */
export interface RunningRunner extends RunningService {
  readonly grpcPort: number;
  readonly context: RunnerContext;
}

/** Opens the door and begins to sweep. @throws BusyPortError */
export async function serveRunner(parts: RunnerParts): Promise<RunningRunner> {
  const { deps, service } = parts;
  const opened = new Disposal();
  const context = createContext(deps);
  // What calls leave behind them is of the database too.
  opened.defer(() => Promise.all([context.attachments.settled(), context.laneFeed.settled()]));
  const grpc = opened.use(await openGrpc(parts, context));
  const background = new AbortController();
  const done = runBackground(context, background.signal);
  opened.defer(async () => {
    background.abort();
    await done;
  });
  opened.defer(() => stopRuns(context));
  service.log.info({ grpc_port: grpc.port }, "serving");
  return {
    grpcPort: grpc.port,
    context,
    ready: () => readiness(deps.db),
    drain: (timeUp) => drain(context, grpc, timeUp),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function openGrpc(
  { service, config, hooks }: RunnerParts,
  context: RunnerContext,
): Promise<GrpcServer> {
  const { host, port, variable } = config.grpc;
  return serveGrpc({
    host,
    port,
    authenticator: serviceAuthenticator(config.clusterSecret.reveal(), config.tls !== undefined),
    tls: config.tls,
    services: [runnerBinding(context)],
    hooks,
    limits: {
      drainTimeoutMs: service.settings.drainTimeoutMs,
      maxInFlightCalls: LIMITS.attachmentsPerReplica,
    },
    explainBusyPort: (taken) => explainBusyPort(taken, variable),
  });
}

/** Runs first, so that those attached hear their end; then the streams of those who wait elsewhere. */
async function drain(context: RunnerContext, grpc: GrpcServer, timeUp: AbortSignal): Promise<void> {
  grpc.setServing(false);
  await context.runner.drain(timeUp);
  await finishWithin(LIMITS.tellEndMs, () => context.followParts.hub.told());
  // What was told last is on its way once its call has returned.
  await new Promise(setImmediate);
  await grpc.drain({ timeoutMs: 0 });
}

/** Runs that the drain timeout met go back to their queues, before the database is closed. */
async function stopRuns({ runner }: RunnerContext): Promise<void> {
  const timeUp = AbortSignal.abort(new Error("the process ends"));
  await finishWithin(LIMITS.requeueMs, () => runner.drain(timeUp));
}

async function readiness(db: Sql): Promise<Readiness> {
  try {
    await db.query("SELECT 1");
    return READY;
  } catch (error) {
    return notReady(`the database cannot be asked: ${error instanceof Error ? error.message : ""}`);
  }
}
