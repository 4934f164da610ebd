import { optional, withDefault } from "./env.ts";
import {
  databaseUrl,
  duration,
  flag,
  hostName,
  integer,
  oneOf,
  path,
  port,
  secret,
  target,
  text,
  url,
} from "./parsers.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How session keys, raw keys and peers appear in log lines: as they are, as a keyed hash, not at all. */
export const LOG_KEYS = ["full", "hash", "none"] as const;
export type LogKeys = (typeof LOG_KEYS)[number];

/** A connection costs Postgres a process of some 5 to 10 MB; a hundred per replica is past any use. */
const POOL_SIZE = { min: 1, max: 100 };
/**
 * Those of session-identity, which grants no others: below 1 s a garbage collection pause loses leases; past
 * 5 min a dead run holds its key too long.
 */
const LEASE_MS = { min: 1_000, max: 300_000 };
/** 0 closes at once; longer than an hour nobody waits for a process to end. */
const DRAIN_MS = { min: 0, max: 3_600_000 };

/**
 * Every environment variable that Lanekeeper reads, apart from the standard OTEL_ ones, which
 * OpenTelemetry reads itself.
 */
export const variables = {
  host: withDefault("LANEKEEPER_HOST", hostName, "127.0.0.1", "bind address"),
  port: withDefault("LANEKEEPER_PORT", port, 8080, "ingress HTTP (OpenAI, Connect)"),

  ingressPort: withDefault("LANEKEEPER_INGRESS_GRPC_PORT", port, 7100, "gRPC of ingress"),
  identityPort: withDefault("LANEKEEPER_IDENTITY_PORT", port, 7101, "gRPC of session-identity"),
  runnerPort: withDefault("LANEKEEPER_RUNNER_PORT", port, 7102, "gRPC of runner"),
  deliveryPort: withDefault("LANEKEEPER_DELIVERY_PORT", port, 7103, "gRPC of delivery"),

  ingressAdmin: withDefault("LANEKEEPER_INGRESS_ADMIN_PORT", port, 7110, "admin of ingress"),
  identityAdmin: withDefault(
    "LANEKEEPER_IDENTITY_ADMIN_PORT",
    port,
    7111,
    "admin of session-identity",
  ),
  runnerAdmin: withDefault("LANEKEEPER_RUNNER_ADMIN_PORT", port, 7112, "admin of runner"),
  deliveryAdmin: withDefault("LANEKEEPER_DELIVERY_ADMIN_PORT", port, 7113, "admin of delivery"),

  identityTarget: optional("LANEKEEPER_IDENTITY_TARGET", target, "where session-identity is found"),
  runnerTarget: optional("LANEKEEPER_RUNNER_TARGET", target, "where runner is found"),
  deliveryTarget: optional("LANEKEEPER_DELIVERY_TARGET", target, "where delivery is found"),

  dataDir: withDefault(
    "LANEKEEPER_DATA_DIR",
    text,
    ".lanekeeper",
    "embedded data, generated credentials",
  ),
  databaseUrl: optional("DATABASE_URL", databaseUrl, "use this Postgres"),
  ingressDatabase: optional("LANEKEEPER_INGRESS_DATABASE_URL", databaseUrl, "Postgres of ingress"),
  identityDatabase: optional(
    "LANEKEEPER_IDENTITY_DATABASE_URL",
    databaseUrl,
    "Postgres of session-identity",
  ),
  runnerDatabase: optional("LANEKEEPER_RUNNER_DATABASE_URL", databaseUrl, "Postgres of runner"),
  deliveryDatabase: optional(
    "LANEKEEPER_DELIVERY_DATABASE_URL",
    databaseUrl,
    "Postgres of delivery",
  ),

  poolSize: withDefault(
    "LANEKEEPER_POOL_SIZE",
    integer(POOL_SIZE),
    8,
    "Postgres connections of a pool; a process has up to two",
  ),
  leaseMs: withDefault(
    "LANEKEEPER_LEASE_MS",
    integer(LEASE_MS),
    15_000,
    "how long a run holds its key without renewing",
  ),
  drainTimeoutMs: withDefault(
    "LANEKEEPER_DRAIN_TIMEOUT",
    duration(DRAIN_MS),
    25_000,
    "how long a stopping service finishes its work",
  ),
  logLevel: withDefault(
    "LANEKEEPER_LOG_LEVEL",
    oneOf(LOG_LEVELS),
    "info",
    "least level that is logged",
  ),
  logKeys: withDefault("LANEKEEPER_LOG_KEYS", oneOf(LOG_KEYS), "full", "how keys appear in logs"),

  config: optional("LANEKEEPER_CONFIG", path, "YAML with agents, policies, tenants"),
  apiKey: optional("LANEKEEPER_API_KEY", secret, "the first credential"),
  tlsCertFile: optional(
    "LANEKEEPER_TLS_CERT_FILE",
    path,
    "certificate chain between services, PEM",
  ),
  tlsKeyFile: optional("LANEKEEPER_TLS_KEY_FILE", path, "the certificate's key, PEM"),
  tlsCaFile: optional("LANEKEEPER_TLS_CA_FILE", path, "roots of the others' certificates, PEM"),
  clusterSecret: optional(
    "LANEKEEPER_CLUSTER_SECRET",
    secret,
    "shared by the services of one installation",
  ),
  supervised: withDefault(
    "LANEKEEPER_SUPERVISED",
    flag,
    false,
    "set by `lanekeeper start` for its services",
  ),

  modelBaseUrl: optional(
    "LANEKEEPER_MODEL_BASE_URL",
    url(["http:", "https:"]),
    "the default agent's model endpoint",
  ),
  modelApiKey: optional("LANEKEEPER_MODEL_API_KEY", secret, "the key for that endpoint"),
  model: optional("LANEKEEPER_MODEL", text, "the model's name there"),
  openaiBaseUrl: optional("OPENAI_BASE_URL", text, "used when LANEKEEPER_MODEL_BASE_URL is unset"),
  openaiApiKey: optional("OPENAI_API_KEY", secret, "the key for OPENAI_BASE_URL"),
  openaiModel: optional("OPENAI_MODEL", text, "the model's name at OPENAI_BASE_URL"),
};

/** Read by the commands, by ingress, by delivery, by the runner alone: known here so that no one takes them for misspelt. */
const READ_BY_ONE = [
  "LANEKEEPER_URL",
  "LANEKEEPER_CORS_ORIGINS",
  "LANEKEEPER_WEBHOOK_ALLOW_PRIVATE",
  "LANEKEEPER_SLACK_API_URL",
  "LANEKEEPER_TELEGRAM_API_URL",
  "LANEKEEPER_DELIVERY_LEASE_MS",
  "LANEKEEPER_KEEP_CONVERSATIONS_DAYS",
];

/** The names of all variables that something of Lanekeeper reads. */
export const knownVariables: readonly string[] = [
  ...Object.values(variables).map(({ name }) => name),
  ...READ_BY_ONE,
];
