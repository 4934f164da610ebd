import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { checkSchema, createDatabase, type PoolOptions } from "@lanekeeper/postgres";
import { type GrpcServer, serveGrpc, service, serviceAuthenticator } from "@lanekeeper/rpc";
import {
  countCalls,
  Disposal,
  explainBusyPort,
  logInternalErrors,
  notReady,
  type Readiness,
  READY,
  type RunningService,
  type ServiceContext,
} from "@lanekeeper/service";
import { type IdentityConfig, readConfig } from "./config.ts";
import { createContext, type IdentityContext } from "./context.ts";
import { keepHouse } from "./housekeeping.ts";
import { LIMITS } from "./limits.ts";
import { MIGRATIONS, SCHEMA } from "./migrations.ts";
import { ALLOW } from "./rpc/allow.ts";
import { identityRoutes } from "./rpc/routes.ts";
import { TENANTLESS } from "./rpc/tenantless.ts";
import type { Db } from "./store/db.ts";

/** Opens the database, checks its schema, and serves. */
export async function startSessionIdentity(process: ServiceContext): Promise<RunningService> {
  const config = await readConfig(process.settings);
  const opened = new Disposal();
  try {
    const { poolSize } = process.settings;
    const db = opened.use(openDatabase(process, config, { poolSize: Math.ceil(poolSize / 2) }));
    const turnsDb = opened.use(openDatabase(process, config, { poolSize, plans: "look-ups" }));
    const slow = { poolSize: 1, statementTimeoutMs: LIMITS.raiseTimeoutMs };
    const slowDb = opened.use(openDatabase(process, config, slow));
    await checkSchema({ db, schema: SCHEMA, directory: MIGRATIONS });
    const { clock, ids, log, metrics, instanceId } = process;
    const context = opened.use(
      createContext({ db, turnsDb, slowDb, clock, ids, log, metrics, instanceId }),
    );
    const server = opened.use(await serve(process, config, context));
    const house = new AbortController();
    const kept = keepHouse(context, house.signal);
    opened.defer(async () => {
      house.abort();
      await kept;
    });
    log.info({ grpc_port: server.port }, "serving");
    return running(opened, db, server);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function openDatabase(
  { log }: ServiceContext,
  config: IdentityConfig,
  pool: Pick<PoolOptions, "poolSize" | "plans" | "statementTimeoutMs">,
): Db {
  return createDatabase<unknown>({
    url: config.databaseUrl.reveal(),
    schema: SCHEMA,
    ...pool,
    applicationName: "lanekeeper session-identity",
    log: (line) => log.warn(line),
  });
}

function serve(
  { settings, log, metrics }: ServiceContext,
  config: IdentityConfig,
  context: IdentityContext,
): Promise<GrpcServer> {
  return serveGrpc({
    host: config.grpc.host,
    port: config.grpc.port,
    authenticator: serviceAuthenticator(config.clusterSecret.reveal(), config.tls !== undefined),
    tls: config.tls,
    limits: { drainTimeoutMs: settings.drainTimeoutMs },
    explainBusyPort: (port) => explainBusyPort(port, config.grpc.variable),
    hooks: { onCall: countCalls(metrics), onInternalError: logInternalErrors(log) },
    services: [
      service({
        desc: SessionIdentityService,
        routes: identityRoutes(context),
        allow: ALLOW,
        tenantless: TENANTLESS,
      }),
    ],
  });
}

function running(opened: Disposal, db: Db, server: GrpcServer): RunningService {
  return {
    ready: () => askDatabase(db),
    drain: async () => {
      await server.drain();
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function askDatabase(db: Db): Promise<Readiness> {
  try {
    await db.query("select 1");
    return READY;
  } catch (error) {
    return notReady(`the database does not answer: ${error instanceof Error ? error.message : ""}`);
  }
}
