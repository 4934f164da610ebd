import type { IdentityClient, RunnerClient } from "@lanekeeper/client";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import {
  type GrpcServer,
  type RpcHooks,
  serveGrpc,
  service,
  serviceAuthenticator,
} from "@lanekeeper/rpc";
import {
  Disposal,
  type Env,
  explainBusyPort,
  notReady,
  READY,
  type Readiness,
  type RunningService,
  type Secret,
  type ServiceContext,
  type TlsPaths,
} from "@lanekeeper/service";
import type { DeliveryContext } from "./context.ts";
import type { AllowedNetworks } from "@lanekeeper/addresses";
import type { LaneSource } from "./fanout/lane-feed.ts";
import { watchSource } from "./fanout/watch-source.ts";
import type { Limits } from "./limits.ts";
import { deliveryMetrics } from "./metrics.ts";
import { Hints } from "./progress/hints.ts";
import { ALLOW, deliveryRoutes } from "./rpc/routes.ts";
import type { Channel } from "./sending/channel.ts";
import { parentChannel } from "./sending/parent/parent-channel.ts";
import { Pump } from "./sending/pump.ts";
import { slackChannel } from "./sending/slack/slack-channel.ts";
import { Sweeper } from "./sending/sweeper.ts";
import { sweeps } from "./sending/sweeps.ts";
import { KeptConnections } from "./sending/http/kept-connections.ts";
import { boundedLookUps, lookUpsPerTenant } from "./sending/http/look-ups.ts";
import type { Resolve } from "./sending/http/resolve.ts";
import { telegramChannel } from "./sending/telegram/telegram-channel.ts";
import { tokensFrom } from "./sending/tokens.ts";
import { webhookChannel } from "./sending/webhook/webhook-channel.ts";
import { ReplySteps } from "./store/sending/reply-steps.ts";
import type { DeliveryDatabase, Sql } from "./store/sql.ts";

/** What delivery stands on. */
export interface DeliveryParts {
  readonly service: ServiceContext;
  readonly limits: Limits;
  readonly db: DeliveryDatabase;
  /** For what is asked for every reply; default: the same as for the rest. */
  readonly stepsDb?: DeliveryDatabase;
  readonly identity: IdentityClient;
  readonly hooks: RpcHooks;
  readonly allowedNetworks: AllowedNetworks;
  readonly runner: Pick<RunnerClient, "submitTurn">;
  readonly lanes: LaneSource;
  /** Where the platforms' APIs are. */
  readonly slackUrl: URL;
  readonly telegramUrl: URL;
  /** Where the tokens of channel accounts stand. */
  readonly env: Env;
  readonly resolve: Resolve;
  /** From 0 up to, but not, 1. */
  readonly random: () => number;
  readonly clusterSecret: Secret;
  /** Default: plain, and services known by their tokens. */
  readonly tls?: TlsPaths | undefined;
}

/** Delivery with its port open and its pump running. */
export interface RunningDelivery extends RunningService {
  readonly grpcPort: number;
}

/** Opens the door and starts sending. @throws BusyPortError */
export async function serveDelivery(parts: DeliveryParts): Promise<RunningDelivery> {
  const { service: base, limits, db, stepsDb = db, identity, random } = parts;
  const { clock, log, instanceId: replica } = base;
  const metrics = deliveryMetrics(base.metrics);
  const kept = new KeptConnections(limits);
  const channels = channelsOf(parts, kept);
  const steps = new ReplySteps(stepsDb, replica, limits);
  const sending = { db, steps, identity, channels, clock, log, metrics, limits, random };
  const opened = new Disposal();
  opened.defer(() => kept.close());
  try {
    const pump = opened.use(new Pump({ ...sending, claimDb: stepsDb, replica }));
    for (const sweep of sweeps(sending)) opened.use(new Sweeper({ clock, log, random }, sweep));
    const hints = opened.use(new Hints(sending));
    const watched = { identity, runner: parts.lanes, clock, log, limits, metrics };
    const sessions = opened.use(watchSource(watched));
    const nudge = () => pump.nudge();
    const context = contextOf(parts, metrics, { steps, sessions, hints, nudge });
    const grpc = opened.use(await openGrpc(parts, context));
    pump.start();
    log.info({ grpc_port: grpc.port }, "serving");
    return running({ grpc, pump, db, opened });
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** A process cannot give itself more threads once it runs. */
const FEW_LOOK_UPS =
  "names of webhooks are looked up one at a time for each tenant: set UV_THREADPOOL_SIZE=16 in this service's environment";

/** Each kind of address is one entry here. */
function channelsOf(parts: DeliveryParts, kept: KeptConnections): ReadonlyMap<number, Channel> {
  const { service: base, limits, resolve, allowedNetworks: allowed, db, runner } = parts;
  const { clock, version } = base;
  const api = { resolve, clock, limits, version, findToken: tokensFrom(db, parts.env) };
  const perTenant = lookUpsPerTenant(parts.env);
  if (perTenant === 1) base.log.warn({ look_ups_per_tenant: perTenant }, FEW_LOOK_UPS);
  const lookUp = boundedLookUps(resolve, perTenant);
  return new Map<number, Channel>([
    [RouteKind.WEBHOOK, webhookChannel({ lookUp, kept, allowed, clock, limits, version })],
    [RouteKind.SLACK, slackChannel({ ...api, baseUrl: parts.slackUrl })],
    [RouteKind.TELEGRAM, telegramChannel({ ...api, baseUrl: parts.telegramUrl, db })],
    [RouteKind.PARENT_SESSION, parentChannel({ runner, limits })],
  ]);
}

function contextOf(
  parts: DeliveryParts,
  metrics: DeliveryContext["metrics"],
  running: Pick<DeliveryContext, "steps" | "sessions" | "hints" | "nudge">,
): DeliveryContext {
  const { service: base, limits, db, identity, allowedNetworks } = parts;
  const { clock, ids, log } = base;
  return { db, identity, limits, clock, ids, log, metrics, allowedNetworks, ...running };
}

function openGrpc(parts: DeliveryParts, context: DeliveryContext): Promise<GrpcServer> {
  const { service: base, clusterSecret, tls, hooks, limits } = parts;
  const { host, port, variable } = base.settings.services.delivery.grpc;
  return serveGrpc({
    host,
    port,
    authenticator: serviceAuthenticator(clusterSecret.reveal(), tls !== undefined),
    tls,
    services: [
      service({
        desc: DeliveryService,
        routes: deliveryRoutes(context),
        allow: ALLOW,
        // Each frame shows its own.
        tenantless: ["exchange"],
      }),
    ],
    hooks,
    limits: {
      maxRequestBytes: limits.requestBytes,
      maxConcurrentStreams: limits.streamsPerConnection,
    },
    explainBusyPort: (taken) => explainBusyPort(taken, variable),
  });
}

interface Opened {
  readonly grpc: GrpcServer;
  readonly pump: Pump;
  readonly db: Sql;
  readonly opened: Disposal;
}

function running({ grpc, pump, db, opened }: Opened): RunningDelivery {
  return {
    grpcPort: grpc.port,
    ready: () => readiness(db),
    drain: async (signal) => {
      await Promise.all([grpc.drain(), pump.drain(signal)]);
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function readiness(db: Sql): Promise<Readiness> {
  try {
    await db.query("SELECT 1");
    return READY;
  } catch (error) {
    return notReady(`the database cannot be asked: ${error instanceof Error ? error.message : ""}`);
  }
}
