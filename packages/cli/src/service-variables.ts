import type { ServiceName } from "@lanekeeper/service";

/** What stands between `LANEKEEPER_` and the rest in a service's variables. */
const VARIABLE_PART: Readonly<Record<ServiceName, string>> = {
  "session-identity": "IDENTITY",
  runner: "RUNNER",
  delivery: "DELIVERY",
  ingress: "INGRESS",
};

/** The names of the variables that belong to one service. */
export function variablesOf(service: ServiceName) {
  const part = `LANEKEEPER_${VARIABLE_PART[service]}`;
  return {
    databaseUrl: `${part}_DATABASE_URL`,
    grpcPort: service === "ingress" ? `${part}_GRPC_PORT` : `${part}_PORT`,
    adminPort: `${part}_ADMIN_PORT`,
    /** Ingress has none: nobody inside calls it. */
    target: `${part}_TARGET`,
  };
}
