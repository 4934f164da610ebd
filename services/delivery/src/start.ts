import { fileURLToPath } from "node:url";
import { createIdentityClient, createRunnerClient } from "@lanekeeper/client";
import { checkSchema, createDatabase, type PoolOptions } from "@lanekeeper/postgres";
import { serviceCredential } from "@lanekeeper/rpc";
import {
  clusterSecret,
  countCalls,
  Disposal,
  formatTarget,
  logInternalErrors,
  type RunningService,
  type ServiceContext,
  tlsPaths,
} from "@lanekeeper/service";
import { readDeliveryConfig, SCHEMA } from "./config.ts";
import { limitsForLease } from "./limits.ts";
import { systemResolve } from "./sending/http/resolve.ts";
import { serveDelivery } from "./serve.ts";
import type { DeliveryDatabase } from "./store/sql.ts";

/** Where the `NNNN_name.sql` files of this service are. */
export const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** Opens everything that delivery stands on, then its door, then the pump. */
export async function startDelivery(service: ServiceContext): Promise<RunningService> {
  const { settings, log, metrics } = service;
  const config = readDeliveryConfig(process.env);
  const secret = await clusterSecret(settings);
  const tls = await tlsPaths(settings, "delivery");
  const hooks = { onCall: countCalls(metrics), onInternalError: logInternalErrors(log) };
  const opened = new Disposal();
  try {
    const { poolSize } = settings;
    const db = opened.use(openDatabase(service, { poolSize: Math.ceil(poolSize / 2) }));
    const stepsDb = opened.use(openDatabase(service, { poolSize, plans: "look-ups" }));
    await checkSchema({ db, schema: SCHEMA, directory: MIGRATIONS });
    const target = formatTarget(settings.services["session-identity"].target);
    const credential = serviceCredential("delivery", secret.reveal());
    const identity = createIdentityClient({ target, credential, tls, hooks });
    opened.defer(() => identity.$close());
    const runnerTarget = formatTarget(settings.services.runner.target);
    const runner = createRunnerClient({ target: runnerTarget, credential, tls, hooks });
    opened.defer(() => runner.$close());
    const delivery = opened.use(
      await serveDelivery({
        service,
        limits: limitsForLease(config.claimLeaseMs),
        db,
        stepsDb,
        identity,
        hooks,
        ...config,
        runner,
        lanes: runner,
        env: process.env,
        resolve: systemResolve,
        random: Math.random,
        clusterSecret: secret,
        tls,
      }),
    );
    return { ...delivery, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function openDatabase(
  { settings, log }: ServiceContext,
  pool: Pick<PoolOptions, "poolSize" | "plans">,
): DeliveryDatabase {
  const url = settings.services.delivery.databaseUrl;
  if (url === undefined) {
    throw new Error("no database: set LANEKEEPER_DELIVERY_DATABASE_URL or DATABASE_URL");
  }
  return createDatabase({
    url: url.reveal(),
    schema: SCHEMA,
    ...pool,
    applicationName: "lanekeeper-delivery",
    log: (line) => log.warn(line),
  });
}
