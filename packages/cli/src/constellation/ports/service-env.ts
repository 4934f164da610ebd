import { dialable, type Env, SERVICE_NAMES, type ServiceName } from "@lanekeeper/service";
import { variablesOf } from "../../service-variables.ts";
import type { PortPlan } from "./ports.ts";
import type { Credentials } from "../folder/secrets.ts";
import { targetOf } from "./targets.ts";

/** What the supervisor knows when it starts a service. */
export interface ServiceEnvInput {
  readonly base: Env;
  readonly dataDir: string;
  readonly ports: PortPlan;
  readonly credentials: Credentials;
  readonly databaseUrl: string;
}

/**
 * The environment of one service: its own database, its own ports, where the others are, the cluster
 * secret. The database superuser's URL and what belongs to another service are left out; the first
 * credential goes to ingress alone, and the key of the model to runner alone.
 */
export function serviceEnv(service: ServiceName, input: ServiceEnvInput): Env {
  const { base, ports, credentials, dataDir, databaseUrl } = input;
  return {
    ...withoutForeign(service, base),
    ...addresses(base, ports),
    ...withoutProxy(base, ports.http.host),
    LANEKEEPER_SUPERVISED: "1",
    LANEKEEPER_DATA_DIR: dataDir,
    LANEKEEPER_CLUSTER_SECRET: credentials.clusterSecret,
    [variablesOf(service).databaseUrl]: databaseUrl,
    ...(service === "ingress" ? { LANEKEEPER_API_KEY: credentials.apiKey } : {}),
    // Names that tenants give are looked up in these; a process cannot give itself more once it runs.
    ...(service === "delivery" ? { UV_THREADPOOL_SIZE: base["UV_THREADPOOL_SIZE"] ?? "16" } : {}),
  };
}

function withoutForeign(service: ServiceName, base: Env): Env {
  const foreign = new Set([
    "DATABASE_URL",
    "LANEKEEPER_API_KEY",
    // The commands' own: a service would call it unknown.
    "LANEKEEPER_URL",
    ...SERVICE_NAMES.map((name) => variablesOf(name).databaseUrl),
    ...(service === "runner" ? [] : ["LANEKEEPER_MODEL_API_KEY", "OPENAI_API_KEY"]),
  ]);
  return Object.fromEntries(Object.entries(base).filter(([name]) => !foreign.has(name)));
}

function addresses(base: Env, ports: PortPlan): Env {
  const { http, services } = ports;
  const env: Record<string, string> = {
    LANEKEEPER_HOST: http.host,
    LANEKEEPER_PORT: String(http.port),
  };
  for (const name of SERVICE_NAMES) {
    const { grpc, admin } = services[name];
    const names = variablesOf(name);
    env[names.grpcPort] = String(grpc.port);
    env[names.adminPort] = String(admin.port);
    if (name === "ingress") continue;
    env[names.target] = targetOf(name, ports, base);
  }
  return env;
}

/**
 * gRPC libraries take http_proxy for every call, so a proxy of the office would be asked for
 * 127.0.0.1. Calls to the outside (models, webhooks) keep it.
 */
export function withoutProxy(base: Env, host: string): Env {
  const inside = ["localhost", "127.0.0.1", "::1", dialable(host)];
  const list = [
    ...new Set([...(base["no_proxy"] ?? base["NO_PROXY"] ?? "").split(","), ...inside]),
  ];
  const noProxy = list
    .map((item) => item.trim())
    .filter((item) => item !== "")
    .join(",");
  return { no_proxy: noProxy, NO_PROXY: noProxy, no_grpc_proxy: noProxy, grpc_proxy: undefined };
}
