import { createDeliveryClient, createIdentityClient, RunIds } from "@lanekeeper/client";
import { checkSchema, createDatabase, type Database, type PoolOptions } from "@lanekeeper/postgres";
import { type RpcHooks, serviceCredential } from "@lanekeeper/rpc";
import {
  countCalls,
  Disposal,
  logInternalErrors,
  type RunningService,
  type ServiceContext,
} from "@lanekeeper/service";
import { MIGRATIONS, readConfig, type RunnerConfig, SCHEMA } from "./config.ts";
import { configuredAgents } from "./configured-agents.ts";
import { McpPool } from "./mcp/mcp-pool.ts";
import { runnerMetrics } from "./metrics.ts";
import type { RunnerDeps } from "./deps.ts";
import { serveRunner } from "./serve.ts";
import { LIMITS } from "./limits.ts";
import { shareOf } from "./store/share.ts";
import { ResentTurns } from "./store/admission/resent-turns.ts";
import { TurnSteps } from "./store/runs/turn-steps.ts";

/** Opens everything that the runner stands on, then its door, then its sweepers. */
export async function startRunner(service: ServiceContext): Promise<RunningService> {
  const config = await readConfig(service.settings, process.env);
  const opened = new Disposal();
  try {
    const { poolSize } = service.settings;
    const db = opened.use(openDatabase(service, config, { poolSize }));
    await checkSchema({ db, schema: SCHEMA, directory: MIGRATIONS });
    const stepsDb = opened.use(openDatabase(service, config, { poolSize, plans: "look-ups" }));
    const { log } = service;
    const hooks = { onCall: countCalls(service.metrics), onInternalError: logInternalErrors(log) };
    const metrics = runnerMetrics(service.metrics);
    const share = Math.max(1, Math.floor(poolSize * LIMITS.callersShare));
    const callersDb = shareOf(db, share, LIMITS.callersWaitMs, (n) => metrics.callersWaiting(n));
    const steps = new TurnSteps(stepsDb);
    const store = { db, callersDb, steps, resent: new ResentTurns(db), metrics };
    const deps = connect(service, config, store, hooks, opened);
    const running = opened.use(await serveRunner({ service, config, deps, hooks }));
    return { ...running, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function connect(
  service: ServiceContext,
  config: RunnerConfig,
  store: Pick<RunnerDeps, "db" | "callersDb" | "steps" | "resent" | "metrics">,
  hooks: RpcHooks,
  opened: Disposal,
): RunnerDeps {
  const { tls } = config;
  const credential = serviceCredential("runner", config.clusterSecret.reveal());
  const identity = createIdentityClient({ target: config.identityTarget, credential, tls, hooks });
  opened.defer(() => identity.$close());
  const delivery = createDeliveryClient({ target: config.deliveryTarget, credential, tls, hooks });
  opened.defer(() => delivery.$close());
  const { clock, ids, log, instanceId: replica, settings } = service;
  const mcp = new McpPool(process.env, clock, log);
  opened.defer(() => mcp.close());
  const agents = configuredAgents(process.env, mcp);
  return {
    ...store,
    identity,
    delivery,
    clock,
    ids,
    runIds: new RunIds(() => ids.uuid()),
    log,
    replica,
    leaseMs: settings.leaseMs,
    keepConversationsMs: config.keepConversationsMs,
    agents,
  };
}

function openDatabase(
  { log }: ServiceContext,
  config: RunnerConfig,
  pool: Pick<PoolOptions, "poolSize" | "plans">,
): Database<unknown> {
  return createDatabase<unknown>({
    url: config.databaseUrl.reveal(),
    schema: SCHEMA,
    ...pool,
    applicationName: "lanekeeper runner",
    log: (line) => log.warn(line),
  });
}
