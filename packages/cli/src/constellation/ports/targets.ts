import { dialable, type Env, formatHostPort, type ServiceName } from "@lanekeeper/service";
import { variablesOf } from "../../service-variables.ts";
import type { PortPlan } from "./ports.ts";

/** Where clients find a service: as its `…_TARGET` says, else at the local port. */
export function targetOf(service: ServiceName, { services }: PortPlan, env: Env): string {
  const { host, port } = services[service].grpc;
  return env[variablesOf(service).target] || formatHostPort({ host: dialable(host), port });
}
