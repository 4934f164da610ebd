import { fileURLToPath } from "node:url";
import { checkSchema, createDatabase, type Database } from "@lanekeeper/postgres";
import {
  clusterSecret,
  countCalls,
  Disposal,
  logInternalErrors,
  type RunningService,
  type ServiceContext,
  tlsPaths,
} from "@lanekeeper/service";
import { accountStore } from "./channels/account-store.ts";
import { pollLeases } from "./channels/polling/lease.ts";
import { connectClients } from "./clients.ts";
import { readIngressConfig, SCHEMA } from "./config.ts";
import { ensureBootstrapKey } from "./credentials/bootstrap.ts";
import { credentialStore } from "./credentials/store.ts";
import { apiKeyStore } from "./keys/store.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { requestStore } from "./request-log/store.ts";
import { scheduleStore } from "./schedules/store.ts";
import { settingsStore } from "./settings/store.ts";
import { serveIngress } from "./serve.ts";

/** Where the `NNNN_name.sql` files of this service are. */
export const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** Opens everything that ingress stands on, then its doors. */
export async function startIngress(service: ServiceContext): Promise<RunningService> {
  const { settings, log, metrics } = service;
  const { corsOrigins, slackUrl, telegramUrl } = readIngressConfig(process.env);
  const secret = await clusterSecret(settings);
  const tls = await tlsPaths(settings, "ingress");
  const opened = new Disposal();
  try {
    const db = opened.use(openDatabase(service));
    await checkSchema({ db, schema: SCHEMA, directory: MIGRATIONS });
    const credentials = credentialStore(db);
    await ensureBootstrapKey(credentials, settings, log);
    const hooks = { onCall: countCalls(metrics), onInternalError: logInternalErrors(log) };
    const clients = connectClients(settings, secret, tls, hooks);
    opened.defer(() => clients[Symbol.dispose]());
    const ingress = opened.use(
      await serveIngress({
        service,
        limits: {
          ...DEFAULT_LIMITS,
          // As long as a run's, which operators set; a request for updates is half of it.
          pollLeaseMs: settings.leaseMs,
          pollWaitMs: Math.max(1_000, settings.leaseMs / 2),
        },
        clients,
        credentialStore: credentials,
        apiKeyStore: apiKeyStore(db, DEFAULT_LIMITS),
        requestStore: requestStore(db),
        settingsStore: settingsStore(db),
        channels: {
          store: accountStore(db),
          leases: pollLeases(db),
          env: process.env,
          slackUrl,
          telegramUrl,
          holder: service.ids.uuid(),
        },
        scheduleStore: scheduleStore(db),
        corsOrigins,
        clusterSecret: secret,
      }),
    );
    return { ...ingress, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function openDatabase({ settings, log }: ServiceContext): Database<unknown> {
  const url = settings.services.ingress.databaseUrl;
  if (url === undefined) {
    throw new Error("no database: set LANEKEEPER_INGRESS_DATABASE_URL or DATABASE_URL");
  }
  return createDatabase({
    url: url.reveal(),
    schema: SCHEMA,
    poolSize: settings.poolSize,
    applicationName: "lanekeeper-ingress",
    log: (line) => log.warn(line),
  });
}
