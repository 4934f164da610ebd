import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { GrpcServer } from "@lanekeeper/rpc";
import {
  createMetrics,
  Disposal,
  type Env,
  type Metrics,
  Secret,
  systemClock,
  systemIds,
} from "@lanekeeper/service";
import {
  type CapturedLog,
  captureLog,
  testContext,
  testSettings,
} from "@lanekeeper/service/testing";
import type { PollLeases } from "../channels/polling/lease.ts";
import { type Clients, connectClients } from "../clients.ts";
import { DEFAULT_LIMITS, type IngressLimits } from "../limits.ts";
import type { ScheduleStore } from "../schedules/store.ts";
import { type IngressParts, type RunningIngress, serveIngress } from "../serve.ts";
import {
  MemoryAccounts,
  MemoryCredentials,
  MemoryLeases,
  MemoryRequests,
  MemorySettings,
} from "./memory-stores.ts";
import { noSchedules } from "./no-schedules.ts";
import { StandInDelivery } from "./stand-in-delivery.ts";
import { StandInIdentity } from "./stand-in-identity.ts";
import { StandInRunner } from "./stand-in-runner.ts";
import { CLUSTER_SECRET, serveStandIn } from "./stand-in-server.ts";

/** Ingress at free ports, with stand-ins of its neighbours over real gRPC. */
export interface TestIngress extends AsyncDisposable {
  readonly url: string;
  /** Of the tenant `default`, with all scopes. */
  readonly apiKey: string;
  readonly identity: StandInIdentity;
  readonly runner: StandInRunner;
  readonly delivery: StandInDelivery;
  readonly credentials: MemoryCredentials;
  readonly requests: MemoryRequests;
  readonly settings: MemorySettings;
  readonly accounts: MemoryAccounts;
  readonly log: CapturedLog;
  readonly ingress: RunningIngress;
  /** Its neighbours, as it calls them. */
  readonly clients: Clients;
  /** As Prometheus reads them. */
  metrics(): Promise<string>;
  /** The runner's server ends at once; another takes its place at the same port. */
  restartRunner(): Promise<void>;
  stopIdentity(): Promise<void>;
}

export interface TestIngressOptions {
  readonly limits?: Partial<IngressLimits>;
  readonly corsOrigins?: readonly string[];
  readonly channelEnv?: Env;
  readonly slackUrl?: string;
  readonly telegramUrl?: string;
  /** To be shared by replicas. */
  readonly pollLeases?: PollLeases;
  /** Without it there are none. */
  readonly scheduleStore?: ScheduleStore;
  /** In place of those in memory, such as Postgres'. */
  readonly stores?: Partial<
    Pick<IngressParts, "apiKeyStore" | "credentialStore" | "settingsStore">
  >;
}

/** So short that no test waits for it to pass by chance, and all that wait on purpose are quick. */
const QUICK: Partial<IngressLimits> = {
  requestLogFlushMs: 5,
  settingsFreshMs: 0,
  channelAccountsFreshMs: 0,
  pollRefreshMs: 20,
  pollBackoffMs: { first: 5, longest: 50 },
  reattachBackoffMs: { first: 5, longest: 50 },
};

export async function startTestIngress(options: TestIngressOptions = {}): Promise<TestIngress> {
  const opened = new Disposal();
  const identity = new StandInIdentity();
  const runner = new StandInRunner();
  const identityServer = opened.use(await serveStandIn(SessionIdentityService, identity.routes));
  let runnerServer = await serveStandIn(RunnerService, runner.routes);
  opened.defer(() => runnerServer[Symbol.asyncDispose]());
  const delivery = new StandInDelivery();
  const deliveryServer = opened.use(await serveStandIn(DeliveryService, delivery.routes));
  const credentials = new MemoryCredentials();
  const requests = new MemoryRequests();
  const settings = new MemorySettings();
  credentials.settings = settings;
  const accounts = new MemoryAccounts();
  const log = captureLog({ service: "ingress" });
  const metrics = createMetrics("ingress", { ofProcess: false });
  const { ingress, clients } = await serve(opened, options, {
    metrics,
    credentials,
    requests,
    settings,
    accounts,
    log,
    servers: { identityServer, runnerServer, deliveryServer },
  });
  return {
    url: `http://127.0.0.1:${ingress.httpPort}`,
    apiKey: credentials.add("lk_test_key_0123456789abcdef"),
    identity,
    runner,
    delivery,
    credentials,
    requests,
    settings,
    accounts,
    log,
    ingress,
    clients,
    metrics: () => metrics.registry.metrics(),
    stopIdentity: async () => identityServer[Symbol.asyncDispose](),
    restartRunner: async () => {
      const { port } = runnerServer;
      await runnerServer[Symbol.asyncDispose]();
      runnerServer = await serveStandIn(RunnerService, runner.routes, port);
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

interface Inside {
  readonly credentials: MemoryCredentials;
  readonly requests: MemoryRequests;
  readonly settings: MemorySettings;
  readonly accounts: MemoryAccounts;
  readonly log: CapturedLog;
  readonly metrics: Metrics;
  readonly servers: {
    readonly identityServer: GrpcServer;
    readonly runnerServer: GrpcServer;
    readonly deliveryServer: GrpcServer;
  };
}

async function serve(
  opened: Disposal,
  options: TestIngressOptions,
  { credentials, requests, settings: settingsStore, accounts, log, metrics, servers }: Inside,
): Promise<Pick<TestIngress, "ingress" | "clients">> {
  const clusterSecret = new Secret(CLUSTER_SECRET);
  const settings = testSettings({
    LANEKEEPER_IDENTITY_TARGET: servers.identityServer.address,
    LANEKEEPER_RUNNER_TARGET: servers.runnerServer.address,
    LANEKEEPER_DELIVERY_TARGET: servers.deliveryServer.address,
  });
  const clients = connectClients(settings, clusterSecret, undefined, {});
  opened.defer(() => clients[Symbol.dispose]());
  const service = testContext("ingress", {
    settings,
    log: log.log,
    metrics,
    clock: systemClock,
    ids: systemIds,
  });
  const ingress = opened.use(
    await serveIngress({
      service,
      limits: { ...DEFAULT_LIMITS, ...QUICK, ...options.limits },
      clients,
      credentialStore: credentials,
      apiKeyStore: NO_KEYS,
      requestStore: requests,
      settingsStore,
      channels: {
        ...{ store: accounts, leases: options.pollLeases ?? new MemoryLeases() },
        env: options.channelEnv ?? {},
        slackUrl: new URL(options.slackUrl ?? "http://127.0.0.1:1/api/"),
        telegramUrl: new URL(options.telegramUrl ?? "http://127.0.0.1:1/"),
        holder: systemIds.uuid(),
      },
      scheduleStore: options.scheduleStore ?? noSchedules,
      corsOrigins: options.corsOrigins ?? [],
      clusterSecret,
      ...options.stores,
    }),
  );
  return { ingress, clients };
}

function notPlayed(): never {
  throw new Error("keys are managed in Postgres alone");
}

const NO_KEYS = { create: notPlayed, list: notPlayed, rotate: notPlayed, revoke: notPlayed };
