import { isIP } from "node:net";
import { resolve } from "node:path";
import { type Env, readVariables, type Values, type Variable } from "./env.ts";
import { type ModelSettings, modelSettings } from "./model-settings.ts";
import type { Secret } from "./secret.ts";
import type { ServiceName } from "./services.ts";
import type { Target } from "./target.ts";
import { type LogKeys, type LogLevel, variables } from "./variables.ts";

/** Where to listen, and the variable to change when the port is taken. */
export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly variable: string;
}

export interface ServiceSettings {
  readonly grpc: ListenAddress;
  readonly admin: ListenAddress;
  /** Where clients find this service. */
  readonly target: Target;
  /** The service's own Postgres, else the shared one, else undefined: the embedded one. */
  readonly databaseUrl: Secret | undefined;
  /** Set only when the service has a variable of its own. */
  readonly ownDatabaseUrl: Secret | undefined;
}

/** The environment as read at the start of the process. Durations in milliseconds, paths absolute. */
export interface Settings {
  readonly host: string;
  /** Ingress' HTTP. */
  readonly http: ListenAddress;
  readonly services: Readonly<Record<ServiceName, ServiceSettings>>;
  readonly dataDir: string;
  readonly databaseUrl: Secret | undefined;
  readonly poolSize: number;
  readonly leaseMs: number;
  readonly drainTimeoutMs: number;
  readonly logLevel: LogLevel;
  readonly logKeys: LogKeys;
  /** Path of the YAML file. */
  readonly config: string | undefined;
  readonly apiKey: Secret | undefined;
  readonly clusterSecret: Secret | undefined;
  /** As they are set; `{service}` stands for the name of whoever reads them. */
  readonly tls: {
    readonly certFile: string | undefined;
    readonly keyFile: string | undefined;
    readonly caFile: string | undefined;
  };
  /** A supervisor started this process and holds its IPC channel. */
  readonly supervised: boolean;
  readonly model: ModelSettings;
}

type Read = Values<typeof variables>;

/**
 * Reads the environment; call it once per process and pass the result on.
 * @throws EnvError with a sentence for each wrong variable
 */
export function readSettings(env: Env = process.env): Settings {
  const read = readVariables(variables, env);
  const { host, databaseUrl, poolSize, leaseMs, drainTimeoutMs, logLevel, logKeys } = read;
  const { config, apiKey, clusterSecret, supervised } = read;
  return {
    host,
    http: listen(host, read.port, variables.port),
    services: serviceSettings(read),
    dataDir: resolve(read.dataDir),
    databaseUrl,
    poolSize,
    leaseMs,
    drainTimeoutMs,
    logLevel,
    logKeys,
    config,
    apiKey,
    clusterSecret,
    tls: { certFile: read.tlsCertFile, keyFile: read.tlsKeyFile, caFile: read.tlsCaFile },
    supervised,
    model: modelSettings(read),
  };
}

function serviceSettings(read: Read): Settings["services"] {
  const service = (
    grpc: ListenAddress,
    admin: ListenAddress,
    target: Target | undefined,
    own: Secret | undefined,
  ): ServiceSettings => ({
    grpc,
    admin,
    target: target ?? localTarget(grpc),
    databaseUrl: own ?? read.databaseUrl,
    ownDatabaseUrl: own,
  });
  const at = (port: number, variable: Variable<number>) => listen(read.host, port, variable);
  return {
    "session-identity": service(
      at(read.identityPort, variables.identityPort),
      at(read.identityAdmin, variables.identityAdmin),
      read.identityTarget,
      read.identityDatabase,
    ),
    runner: service(
      at(read.runnerPort, variables.runnerPort),
      at(read.runnerAdmin, variables.runnerAdmin),
      read.runnerTarget,
      read.runnerDatabase,
    ),
    delivery: service(
      at(read.deliveryPort, variables.deliveryPort),
      at(read.deliveryAdmin, variables.deliveryAdmin),
      read.deliveryTarget,
      read.deliveryDatabase,
    ),
    ingress: service(
      at(read.ingressPort, variables.ingressPort),
      at(read.ingressAdmin, variables.ingressAdmin),
      undefined,
      read.ingressDatabase,
    ),
  };
}

function listen(host: string, port: number, variable: Variable<number>): ListenAddress {
  return { host, port, variable: variable.name };
}

/** Dials what the neighbours on this machine bind. */
function localTarget({ host, port }: ListenAddress): Target {
  return { kind: "list", addresses: [{ host: dialable(host), port }] };
}

/** All-interfaces addresses can be bound but not portably dialled. */
export function dialable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return isIP(host) === 6 && /^[0:]+$/.test(host) ? "::1" : host;
}
