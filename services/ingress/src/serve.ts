import { setMaxListeners } from "node:events";
import type { ConnectHandler, GrpcServer } from "@lanekeeper/rpc";
import {
  Disposal,
  inTrace,
  READY,
  type RunningService,
  type Secret,
  type ServiceContext,
} from "@lanekeeper/service";
import { AgentDirectory } from "./agents/agent-directory.ts";
import { type ChannelParts, openChannels, type RunningChannels } from "./channels/channels.ts";
import type { Clients } from "./clients.ts";
import { connectDoor } from "./connect/door.ts";
import type { IngressContext } from "./context.ts";
import { Entrance } from "./credentials/entrance.ts";
import type { CredentialStore } from "./credentials/store.ts";
import { eventsRoute } from "./events/events-route.ts";
import { corsOptions } from "./http/cors.ts";
import { homeRoute } from "./http/home.ts";
import { requestListener } from "./http/listener.ts";
import { BodyBudget } from "./http/read-body.ts";
import type { Route } from "./http/routes.ts";
import { type HttpServer, startHttpServer } from "./http/server.ts";
import { Visits } from "./http/visits.ts";
import type { ApiKeyStore, OnKeyChanged } from "./keys/api-key.ts";
import type { IngressLimits } from "./limits.ts";
import { ingressMetrics } from "./metrics.ts";
import { chatCompletionsRoute } from "./openai/chat-completions.ts";
import { modelRoutes } from "./openai/models.ts";
import { responseRoutes } from "./openai/responses/routes.ts";
import { sweepRequests } from "./request-log/retention.ts";
import type { RequestStore } from "./request-log/store.ts";
import { RequestLogWriter } from "./request-log/writer.ts";
import { apiKeyRoutes } from "./rpc/api-keys/routes.ts";
import { type OwnRoutes, openGrpc } from "./rpc/grpc-door.ts";
import { ingressRoutes } from "./rpc/routes.ts";
import { runSchedules } from "./schedules/loop.ts";
import type { ScheduleStore } from "./schedules/store.ts";
import { SettingsDirectory } from "./settings/directory.ts";
import type { SettingsStore } from "./settings/store.ts";
import { UnsureSubmissions } from "./turns/unsure-submissions.ts";

/** What ingress stands on. */
export interface IngressParts {
  readonly service: ServiceContext;
  readonly limits: IngressLimits;
  readonly clients: Clients;
  readonly credentialStore: Pick<CredentialStore, "find" | "markUsed">;
  readonly apiKeyStore: ApiKeyStore;
  readonly requestStore: RequestStore;
  readonly settingsStore: SettingsStore;
  readonly channels: ChannelParts;
  readonly scheduleStore: ScheduleStore;
  readonly corsOrigins: readonly string[];
  readonly clusterSecret: Secret;
}

/** Ingress with its ports open. */
export interface RunningIngress extends RunningService {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Beside the RPCs, such as "POST /v1/chat/completions". */
  readonly doors: readonly string[];
}

/** Opens the doors. @throws BusyPortError */
export async function serveIngress(parts: IngressParts): Promise<RunningIngress> {
  const { service: base, limits, requestStore } = parts;
  const { clock, log } = base;
  const lastCall = new AbortController();
  // Each request in progress listens, and they are bounded elsewhere.
  setMaxListeners(0, lastCall.signal);
  const draining = new AbortController();
  setMaxListeners(0, draining.signal);
  const context = ingressContext(parts, lastCall.signal);
  const { metrics, credentials } = context;
  const opened = new Disposal();
  try {
    const onDropped = (count: number) => metrics.requestLogDropped(count);
    const requestLog = new RequestLogWriter({ store: requestStore, clock, log, limits, onDropped });
    opened.defer(() => requestLog.close());
    startSweep(parts, opened);
    const channels = opened.use(openChannels(parts.channels, context, parts.clients));
    const routes = [...routesOf(parts, context, draining.signal), channels.route];
    opened.use(credentials);
    const own = ownRoutes(parts, context);
    const { clusterSecret, clients } = parts;
    const { hooks } = clients;
    const connect = connectDoor({ ...context, ...clients, ...own });
    const { settings } = base;
    const door = { settings, clusterSecret, credentials, hooks, limits, metrics };
    const grpc = opened.use(await openGrpc(door, own));
    const visits = new Visits();
    opened.defer(() => visits.over());
    const http = opened.use(
      await startHttpServer({
        listen: base.settings.http,
        limits,
        metrics,
        listener: requestListener({
          routes,
          connect,
          cors: corsOptions(parts.corsOrigins),
          clock,
          log,
          metrics,
          requestLog,
          maxRequestsInFlight: limits.maxRequestsInFlight,
          visits,
        }),
      }),
    );
    startSchedules(parts, context, draining.signal, opened);
    log.info({ http_port: http.port, grpc_port: grpc.port }, "serving");
    const doors = routes.map(({ method, path }) => `${method} ${path}`);
    return { doors, ...running({ http, grpc, connect, channels, draining, lastCall, opened }) };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function ingressContext(parts: IngressParts, lastCall: AbortSignal): IngressContext {
  const { service: base, limits, clients, credentialStore: store, settingsStore } = parts;
  const { clock, log } = base;
  const { identity, runner } = clients;
  return {
    limits,
    clock,
    log,
    metrics: ingressMetrics(base.metrics),
    credentials: new Entrance({ store, clock, log, limits }),
    agents: new AgentDirectory({ identity, runner, clock, limits }),
    settings: new SettingsDirectory({ store: settingsStore, clock, limits }),
    identity,
    runner,
    bodyBudget: new BodyBudget(limits.maxBodyBytesInFlight),
    unsure: new UnsureSubmissions(clock, limits),
    lastCall,
  };
}

/** Each door of the outside is one entry here. */
function routesOf(
  { service: base, clients }: IngressParts,
  context: IngressContext,
  draining: AbortSignal,
): Route[] {
  return [
    homeRoute(base.version),
    chatCompletionsRoute(context),
    ...responseRoutes(context),
    ...modelRoutes(context),
    eventsRoute({ ...context, delivery: clients.delivery, draining }),
  ];
}

function ownRoutes(parts: IngressParts, context: IngressContext): OwnRoutes {
  const { requestStore, settingsStore, channels, apiKeyStore, scheduleStore: store } = parts;
  const { store: accountStore } = channels;
  const schedules = { ...context, store, delivery: parts.clients.delivery };
  const { credentials, log } = context;
  const onChanged: OnKeyChanged = (what, apiKeyId, { tenant, principal }, within) => {
    credentials.forget(apiKeyId);
    const about = { tenant, principal, api_key_id: apiKeyId };
    inTrace(log, within.traceparent).info(about, `an API key was ${what}`);
  };
  return {
    ingress: ingressRoutes({ requestStore, settingsStore, accountStore, schedules }),
    apiKeys: apiKeyRoutes(apiKeyStore, onChanged),
  };
}

function startSweep({ service: base, limits, requestStore }: IngressParts, opened: Disposal): void {
  const { clock, log } = base;
  const stop = new AbortController();
  const swept = sweepRequests({ store: requestStore, clock, log, limits, signal: stop.signal });
  opened.defer(async () => {
    stop.abort();
    await swept;
  });
}

/** A drain ends the claiming; what is claimed is brought to its end within an attempt's bound. */
function startSchedules(
  { scheduleStore: store }: IngressParts,
  context: IngressContext,
  signal: AbortSignal,
  opened: Disposal,
): void {
  const ran = runSchedules({ ...context, store, signal });
  opened.defer(() => ran);
}

interface Opened {
  readonly http: HttpServer;
  readonly grpc: GrpcServer;
  readonly connect: ConnectHandler;
  readonly channels: RunningChannels;
  readonly draining: AbortController;
  readonly lastCall: AbortController;
  readonly opened: Disposal;
}

function running({
  http,
  grpc,
  connect,
  channels,
  draining,
  lastCall,
  opened,
}: Opened): Omit<RunningIngress, "doors"> {
  return {
    httpPort: http.port,
    grpcPort: grpc.port,
    ready: () => READY,
    drain: async (signal) => {
      draining.abort();
      signal.addEventListener("abort", () => lastCall.abort(), { once: true });
      await Promise.all([http.drain(), connect.drain(), grpc.drain(), channels.drain()]);
    },
    [Symbol.asyncDispose]: async () => {
      draining.abort();
      lastCall.abort();
      await opened[Symbol.asyncDispose]();
    },
  };
}
