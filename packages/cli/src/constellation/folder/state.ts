import {
  dialable,
  type Env,
  formatHostPort,
  SERVICE_NAMES,
  type ServiceName,
} from "@lanekeeper/service";
import { join } from "node:path";
import { baseUrl } from "../banner.ts";
import type { DataDir } from "./data-dir.ts";
import type { PortPlan } from "../ports/ports.ts";
import { targetOf } from "../ports/targets.ts";
import type { ServiceGroup } from "../processes/service-group.ts";
import type { ConstellationState, ServiceState } from "./state-file.ts";

export interface StateInput {
  readonly env: Env;
  readonly dir: DataDir;
  readonly ports: PortPlan;
  readonly apiKeyFile: string | undefined;
  readonly server: { readonly pid: number; readonly port: number } | undefined;
  readonly services: Pick<ServiceGroup, "pid" | "restarts"> | undefined;
  readonly ready: boolean;
  /** Of the services' pids. */
  readonly lives: ReadonlyMap<number, string | undefined>;
}

/** What `run/constellation.json` says. */
export function stateOf(input: StateInput): ConstellationState {
  const { dir, ports, apiKeyFile, server, ready } = input;
  const services = SERVICE_NAMES.map((name) => [name, serviceState(name, input)]);
  return {
    pid: process.pid,
    dataDir: dir.path,
    url: baseUrl(ports),
    apiKeyFile,
    ready,
    postgres: server,
    services: Object.fromEntries(services),
  };
}

function serviceState(name: ServiceName, input: StateInput): ServiceState {
  const { env, dir, ports, services, lives } = input;
  const pid = services?.pid(name);
  const at = ({ host, port }: { host: string; port: number }) =>
    formatHostPort({ host: dialable(host), port });
  const { grpc, admin } = ports.services[name];
  return {
    pid: pid ?? null,
    ...(pid === undefined ? {} : { life: lives.get(pid) }),
    restarts: services?.restarts(name) ?? 0,
    grpc: at(grpc),
    ...(name === "ingress" ? {} : { target: targetOf(name, ports, env) }),
    admin: `http://${at(admin)}`,
    log: join(dir.logs, `${name}.log`),
  };
}
